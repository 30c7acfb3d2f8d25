// Objects that HTTPRoutes and GRPCRoutes share.

#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

void FinishValueMatch(ObjectReader& reader, ValueMatch& match) {
  if (!match.is_regex || match.value.empty()) return;
  if (const auto fault = CheckRegex(match.value)) reader.Complain("value", *fault);
}

}  // namespace

Schema<ValueMatch> ValueMatchFields(const TextFormat& name, std::string_view name_description) {
  return Schema<ValueMatch>(
      {
          {"type", Choice(&ValueMatch::is_regex, {{"Exact", false}, {"RegularExpression", true}}),
           "Exact",
           "How the value is compared. A regular expression (RE2) must match the whole value."},
          {"name", Text(&ValueMatch::name, name), kRequired, name_description},
          {"value", Text(&ValueMatch::value), kRequired, "Value to compare with."},
      },
      FinishValueMatch);
}

bool SameName(const ValueMatch& a, const ValueMatch& b) { return a.name == b.name; }

const Schema<ValueMatch>& HeaderMatchFields() {
  static const Schema<ValueMatch> schema = ValueMatchFields(kHeaderName, "Name of the header.");
  return schema;
}

void CheckMirrors(ObjectReader& reader, const RouteRule& rule) {
  if (rule.mirrors.size() <= 2) return;
  reader.Complain("filters", "too many RequestMirror filters", "must be at most 2");
}

bool SameRuleName(const RouteRule& a, const RouteRule& b) {
  return !a.name.empty() && a.name == b.name;
}

const Schema<ParentRef>& ParentFields() {
  static const Schema<ParentRef> schema(
      Concat(ServiceRefRows<ParentRef>(RefKind::kNamed),
             {
                 {"port", Integer(&ParentRef::port, 1, 65535), "every port",
                  "Port of the Service. A route for one port wins over a route for all."},
                 {"sectionName", Unsupported<ParentRef>("use port"), kNoDefault, ""},
             }));
  return schema;
}

const Schema<BackendRef>& BackendFields() {
  static const Schema<BackendRef> schema(Concat(
      ServiceRefRows<BackendRef>(RefKind::kImplied),
      {
          {"port", Integer(&BackendRef::port, 1, 65535), kRequired, "Port of the Service."},
          {"weight", Integer(&BackendRef::weight, 0, 1000000), "1",
           "Share of the requests, relative to the sum of all weights of the rule. If all are 0, "
           "requests are answered with 500, gRPC calls of a GRPCRoute with UNAVAILABLE."},
          {"filters", BackendFilters(), kNoDefault,
           "Changes to the requests that this backend receives, and to its responses, after the "
           "filters of the rule."},
      }));
  return schema;
}

}  // namespace tulle::policy
