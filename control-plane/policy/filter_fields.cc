// Filters of a rule or of a backend. In YAML they are a list of objects with a `type`; in the model
// each kind of filter is a member of its own.

#include <algorithm>

#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

constexpr size_t kMaxFilters = 16;

const Schema<HeaderValue>& HeaderFields() {
  static const Schema<HeaderValue> schema({
      {"name", Text(&HeaderValue::name, kChangeableHeader), kRequired,
       "Name of the header. Headers that the proxy sets itself cannot be changed: `host`, "
       "`content-length`, `transfer-encoding`, `connection`, `x-forwarded-client-cert` and the "
       "like."},
      {"value", Text(&HeaderValue::value, kHeaderText, EmptyText::kKept), "empty",
       "Value of the header. At most 4096 bytes."},
  });
  return schema;
}

const Schema<HeaderModifier>& HeaderModifierFields() {
  static const Schema<HeaderModifier> schema({
      {"set", Objects(&HeaderModifier::set, HeaderFields, kMaxHeaders), kNoDefault,
       "Headers to set, replacing those of the same name."},
      {"add", Objects(&HeaderModifier::add, HeaderFields, kMaxHeaders), kNoDefault,
       "Headers to add."},
      {"remove", Texts(&HeaderModifier::remove, kMaxHeaders, kChangeableHeader), kNoDefault,
       "Names of headers to remove."},
  });
  return schema;
}

// One of the two paths, as `type` says.
Value<PathModifier> ReplacementPath(std::optional<std::string> PathModifier::*member,
                                    std::string_view type) {
  Value<PathModifier> value = Text(member, kReplacementPath);
  value.read = [=, read = value.read](ObjectReader& reader, std::string_view key,
                                      PathModifier& path) {
    const bool is_chosen = (path.*member).has_value();
    if (is_chosen && reader.IsEmpty(key)) {
      reader.Complain(key, "required field is missing", "set it to the new path");
    } else if (is_chosen) {
      read(reader, key, path);
    } else if (reader.Has(key)) {
      reader.Complain(key, "field is only used with type: " + std::string(type), "remove it");
    }
  };
  return value;
}

Value<PathModifier> PathModifierType() {
  constexpr std::string_view kFull = "ReplaceFullPath";
  constexpr std::string_view kPrefix = "ReplacePrefixMatch";
  return {{.kind = FieldKind::kText, .choices = {kFull, kPrefix}},
          [=](ObjectReader& reader, std::string_view key, PathModifier& path) {
            const std::string type = reader.Text(key).value_or(std::string(kPrefix));
            (type == kFull ? path.full : path.prefix).emplace();
            if (type != kFull && type != kPrefix) {
              reader.Complain(key, UnknownValue(type, {kFull, kPrefix}));
            }
          },
          [=](const PathModifier& path) { return Json(std::string(path.full ? kFull : kPrefix)); }};
}

const Schema<PathModifier>& PathModifierFields() {
  static const Schema<PathModifier> schema({
      {"type", PathModifierType(), "ReplacePrefixMatch",
       "What is replaced: the whole path, or the prefix that the rule matched. The latter requires "
       "that all matches of the rule are by prefix."},
      {"replaceFullPath", ReplacementPath(&PathModifier::full, "ReplaceFullPath"), kNoDefault,
       "The new path, with type ReplaceFullPath."},
      {"replacePrefixMatch", ReplacementPath(&PathModifier::prefix, "ReplacePrefixMatch"),
       kNoDefault, "What replaces the prefix, with type ReplacePrefixMatch."},
  });
  return schema;
}

void FinishRedirect(ObjectReader& reader, RedirectFilter& redirect) {
  constexpr uint32_t kCodes[] = {301, 302, 303, 307, 308};
  if (std::find(std::begin(kCodes), std::end(kCodes), redirect.status) != std::end(kCodes)) return;
  reader.Complain("statusCode", "unsupported value " + Quoted(std::to_string(redirect.status)),
                  "use 301, 302, 303, 307 or 308");
}

// Whatever the number: FinishRedirect lists those that are supported.
Value<RedirectFilter> RedirectStatus() {
  Value<RedirectFilter> status = Integer(&RedirectFilter::status, 301, 308);
  status.read = [](ObjectReader& reader, std::string_view key, RedirectFilter& redirect) {
    if (const auto value = reader.Integer(key, 0, 999)) redirect.status = *value;
  };
  return status;
}

Value<RedirectFilter> RedirectScheme() {
  constexpr std::string_view kSchemes[] = {"http", "https"};
  Value<RedirectFilter> scheme = Text(&RedirectFilter::scheme);
  scheme.type.choices = {std::begin(kSchemes), std::end(kSchemes)};
  scheme.read = [=](ObjectReader& reader, std::string_view key, RedirectFilter& redirect) {
    redirect.scheme = reader.Text(key);
    if (!redirect.scheme || *redirect.scheme == "http" || *redirect.scheme == "https") return;
    reader.Complain(key, UnknownValue(*redirect.scheme, {"http", "https"}));
  };
  return scheme;
}

const Schema<RedirectFilter>& RedirectFields() {
  static const Schema<RedirectFilter> schema(
      {
          {"scheme", RedirectScheme(), "that of the request", "Scheme to redirect to."},
          {"hostname", Text(&RedirectFilter::hostname, kHostName), "that of the request",
           "Host to redirect to."},
          {"path", Object(&RedirectFilter::path, PathModifierFields), "that of the request",
           "Path to redirect to."},
          {"port", Integer(&RedirectFilter::port, 1, 65535), "that of the request",
           "Port to redirect to."},
          {"statusCode", RedirectStatus(), "302",
           "Status of the response: 301, 302, 303, 307 or 308."},
      },
      FinishRedirect);
  return schema;
}

void FinishRewrite(ObjectReader& reader, RewriteFilter& rewrite) {
  if (rewrite.hostname || rewrite.path) return;
  reader.Complain("path", "required field is missing", "set path, hostname or both");
}

const Schema<RewriteFilter>& RewriteFields() {
  static const Schema<RewriteFilter> schema(
      {
          {"hostname", Text(&RewriteFilter::hostname, kHostName), kNoDefault,
           "The new host. At least one of `hostname` and `path` is required."},
          {"path", Object(&RewriteFilter::path, PathModifierFields), kNoDefault, "The new path."},
      },
      FinishRewrite);
  return schema;
}

const Schema<MirrorFilter>& MirrorBackendFields() {
  static const Schema<MirrorFilter> schema(Concat(
      ServiceRefRows<MirrorFilter>(RefKind::kImplied),
      {{"port", Integer(&MirrorFilter::port, 1, 65535), kRequired, "Port of the Service."}}));
  return schema;
}

void FinishFraction(ObjectReader& reader, Fraction& fraction) {
  if (fraction.numerator <= fraction.denominator) return;
  reader.Complain("numerator", "larger than the denominator",
                  "must be at most " + std::to_string(fraction.denominator));
}

const Schema<Fraction>& FractionFields() {
  constexpr uint32_t kMost = INT32_MAX;
  static const Schema<Fraction> schema(
      {
          {"numerator", Integer(&Fraction::numerator, 0, kMost), kRequired,
           "How many of `denominator` requests are copied."},
          {"denominator", Integer(&Fraction::denominator, 1, kMost), "100",
           "What `numerator` is relative to."},
      },
      FinishFraction);
  return schema;
}

void FinishMirror(ObjectReader& reader, MirrorFilter& mirror) {
  if (!mirror.percent || !mirror.fraction) return;
  reader.Complain("fraction", "percent and fraction cannot be combined", "remove one of the two");
}

const Schema<MirrorFilter>& MirrorFields() {
  static const Schema<MirrorFilter> schema(
      {
          {"backendRef", Part(MirrorBackendFields), kRequired,
           "Service that receives the copies. Its responses are dropped."},
          {"percent", Integer(&MirrorFilter::percent, 0, 100), "100",
           "Share of the requests that are copied."},
          {"fraction", Object(&MirrorFilter::fraction, FractionFields), kNoDefault,
           "The same, where percent is too coarse. Only one of the two can be set."},
      },
      FinishMirror);
  return schema;
}

// Sets a member that may be set by one filter only.
template <typename Owner, typename Member>
Value<Owner> Single(Member Owner::*member, const Schema<UnwrappedType<Member>>& (*schema)()) {
  Value<Owner> value = Object(member, schema);
  value.read = [=, read = value.read](ObjectReader& reader, std::string_view key, Owner& owner) {
    if (owner.*member != Member()) {
      reader.Complain("type", "duplicate filter", "combine the two filters of this type");
    }
    read(reader, key, owner);
  };
  return value;
}

// One more mirror; written as a list.
Value<RouteRule> AnotherMirror() {
  Value<RouteRule> value = Objects(&RouteRule::mirrors, MirrorFields, kMaxFilters);
  value.type = ObjectType(MirrorFields);
  value.read = [](ObjectReader& reader, std::string_view key, RouteRule& rule) {
    reader.Object(key, [&](ObjectReader& nested) {
      MirrorFields().Read(nested, rule.mirrors.emplace_back());
    });
  };
  return value;
}

constexpr std::pair<std::string_view, std::string_view> kFieldOfType[] = {
    {"RequestHeaderModifier", "requestHeaderModifier"},
    {"ResponseHeaderModifier", "responseHeaderModifier"},
    {"RequestRedirect", "requestRedirect"},
    {"URLRewrite", "urlRewrite"},
    {"RequestMirror", "requestMirror"},
};

// Types that an Owner may have: those that its table has a field for.
std::vector<std::string_view> TypesIn(const ObjectFields& fields) {
  std::vector<std::string_view> types;
  for (const auto& [type, field] : kFieldOfType) {
    if (fields.Find(field) != nullptr) types.push_back(type);
  }
  return types;
}

// `type`, one of `types`, and the filters that every Owner may have.
template <typename Owner>
std::vector<Row<Owner>> HeaderRows(std::vector<std::string_view> types) {
  return {
      {"type",
       {{.kind = FieldKind::kText, .choices = std::move(types)}, nullptr, nullptr},
       kRequired,
       "What the filter does. The field of the same name holds the details and is required."},
      {"requestHeaderModifier", Single(&Owner::request_headers, HeaderModifierFields), kNoDefault,
       "Changes headers of the request."},
      {"responseHeaderModifier", Single(&Owner::response_headers, HeaderModifierFields), kNoDefault,
       "Changes headers of the response."},
  };
}

Row<RouteRule> MirrorRow() {
  return {"requestMirror", AnotherMirror(), kNoDefault,
          "Sends a copy of the request to another Service. At most two in a rule."};
}

const Schema<RouteRule>& GrpcRuleFilterFields() {
  static const Schema<RouteRule> schema(Concat(
      HeaderRows<RouteRule>({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"}),
      {MirrorRow()}));
  return schema;
}

const Schema<RouteRule>& RuleFilterFields() {
  static const Schema<RouteRule> schema(Concat(
      HeaderRows<RouteRule>({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect",
                             "URLRewrite", "RequestMirror"}),
      {
          {"requestRedirect", Single(&RouteRule::redirect, RedirectFields), kNoDefault,
           "Answers with a redirect. Cannot be combined with `backendRefs` or a URLRewrite."},
          {"urlRewrite", Single(&RouteRule::rewrite, RewriteFields), kNoDefault,
           "Changes path and host of the request."},
          MirrorRow(),
      }));
  return schema;
}

const Schema<BackendRef>& BackendFilterFields() {
  static const Schema<BackendRef> schema(
      HeaderRows<BackendRef>({"RequestHeaderModifier", "ResponseHeaderModifier"}));
  return schema;
}

// Of the Gateway API, and not supported.
constexpr std::pair<std::string_view, std::string_view> kUnsupportedTypes[] = {
    {"CORS", "cors"}, {"ExtensionRef", "extensionRef"}};

void IgnoreDetails(ObjectReader& reader) {
  for (const auto& [type, field] : kFieldOfType) reader.Ignore(field);
  for (const auto& [type, field] : kUnsupportedTypes) reader.Ignore(field);
}

// A type that the Owner's table does not have. `elsewhere`: where other known types may be; empty:
// nowhere.
void ComplainType(ObjectReader& reader, const std::string& type, const ObjectFields& fields,
                  std::string_view elsewhere) {
  IgnoreDetails(reader);
  for (const auto& [known, field] : kFieldOfType) {
    if (known != type || elsewhere.empty()) continue;
    return reader.Complain("type", "filter " + type + " is not supported here",
                           "move it to " + std::string(elsewhere));
  }
  for (const auto& [known, field] : kUnsupportedTypes) {
    if (known != type) continue;
    return reader.Complain("type", "filter " + type + " is not supported in this version",
                           "remove it; supported are " + Joined(TypesIn(fields)));
  }
  reader.Complain("type", UnknownValue(type, TypesIn(fields)));
}

template <typename Owner>
void ReadFilter(ObjectReader& reader, const Schema<Owner>& fields, std::string_view elsewhere,
                Owner& owner) {
  const std::string type = reader.Text("type").value_or("");
  if (type.empty()) {
    IgnoreDetails(reader);
    return ComplainRequired(reader, *fields.Find("type"));
  }
  for (const auto& [name, field] : kFieldOfType) {
    if (name != type || fields.Find(field) == nullptr) continue;
    if (!reader.Has(field)) {
      reader.Complain(field, "required field is missing", "set it, or remove the filter");
    }
    return fields.ValueOf(field).read(reader, field, owner);
  }
  ComplainType(reader, type, fields, elsewhere);
}

template <typename Owner>
Json WriteFilters(const Schema<Owner>& fields, const Owner& owner) {
  Json filters;
  for (const auto& [type, field] : kFieldOfType) {
    if (fields.Find(field) == nullptr) continue;
    Json value = fields.ValueOf(field).write(owner);
    if (value.is_null()) continue;
    if (!value.is_array()) value = Json::array({std::move(value)});
    for (Json& each : value) {
      filters.push_back({{"type", std::string(type)}, {std::string(field), std::move(each)}});
    }
  }
  return filters;
}

template <typename Owner>
Value<Owner> FilterList(const Schema<Owner>& (*fields)(), std::string_view elsewhere = "") {
  FieldType type = ObjectType(fields);
  type.is_list = true;
  type.max_items = kMaxFilters;
  return {type,
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            reader.Objects(key, kMaxFilters, [&](ObjectReader& nested) {
              ReadFilter(nested, fields(), elsewhere, owner);
            });
          },
          [=](const Owner& owner) { return WriteFilters(fields(), owner); }};
}

}  // namespace

Value<RouteRule> RuleFilters() { return FilterList(RuleFilterFields); }

Value<RouteRule> GrpcRuleFilters() { return FilterList(GrpcRuleFilterFields); }

Value<BackendRef> BackendFilters() {
  return FilterList(BackendFilterFields, "the filters of the rule");
}

}  // namespace tulle::policy
