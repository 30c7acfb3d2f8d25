#include "control-plane/policy/kinds.h"

#include <algorithm>
#include <map>
#include <type_traits>

#include "control-plane/policy/composite_values.h"
#include "control-plane/policy/names.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

template <typename Policy, const Schema<Policy>& (*kSchema)()>
constexpr KindEntry Entry(Kind kind, std::string_view name, std::string_view plural,
                          std::string_view short_name, std::string_view summary) {
  return {kind,
          name,
          plural,
          short_name,
          std::is_base_of_v<Route, Policy> ? kGatewayApiVersion : kTulleApiVersion,
          summary,
          []() -> const ObjectFields& { return kSchema(); },
          [](ObjectReader& reader) {
            Policy policy;
            kSchema().Read(reader, policy);
            return Spec(std::move(policy));
          },
          [](const Spec& spec) { return kSchema().Write(std::get<Policy>(spec)); }};
}

constexpr KindEntry kKinds[] = {
    Entry<HttpRoute, HttpRouteFields>(Kind::kHttpRoute, "HTTPRoute", "httproutes", "hr",
                                      "Routes requests to Services, and changes them"),
    Entry<GrpcRoute, GrpcRouteFields>(Kind::kGrpcRoute, "GRPCRoute", "grpcroutes", "gr",
                                      "Routes gRPC calls to Services by service and method"),
    Entry<ResiliencePolicy, ResiliencePolicyFields>(
        Kind::kResiliencePolicy, "ResiliencePolicy", "resiliencepolicies", "rp",
        "Timeouts, retries, circuit breaker, limits, load balancing, health checks, faults"),
    Entry<AuthorizationPolicy, AuthorizationPolicyFields>(
        Kind::kAuthorizationPolicy, "AuthorizationPolicy", "authorizationpolicies", "ap",
        "Who may call"),
    Entry<PeerAuthentication, PeerAuthenticationFields>(Kind::kPeerAuthentication,
                                                        "PeerAuthentication", "peerauthentications",
                                                        "pa", "Whether plaintext is accepted"),
    Entry<TelemetryPolicy, TelemetryPolicyFields>(Kind::kTelemetryPolicy, "TelemetryPolicy",
                                                  "telemetrypolicies", "tp",
                                                  "Tracing and the access log"),
    Entry<ExternalService, ExternalServiceFields>(Kind::kExternalService, "ExternalService",
                                                  "externalservices", "es",
                                                  "A service outside of the mesh"),
    Entry<EgressPolicy, EgressPolicyFields>(Kind::kEgressPolicy, "EgressPolicy", "egresspolicies",
                                            "egp", "Whether unknown destinations may be called"),
};

class DocumentFields : public ObjectFields {
 public:
  explicit DocumentFields(const KindEntry& kind) {
    fields_ = {
        {"apiVersion",
         {.kind = FieldKind::kText, .choices = {kind.api_version}},
         kRequired,
         "Version of the kind's format."},
        {"kind", {.kind = FieldKind::kText, .choices = {kind.name}}, kRequired, kind.summary},
        {"metadata", ObjectType(MetadataFields), kRequired, "Name and namespace of the policy."},
        {"spec",
         {.kind = FieldKind::kObject,
          .object = [&kind]() -> const ObjectFields& { return kind.fields(); }},
         kRequired,
         "What the policy says."},
    };
  }
};

}  // namespace

std::span<const KindEntry> AllKinds() { return kKinds; }

const KindEntry& EntryOf(Kind kind) {
  return *std::find_if(std::begin(kKinds), std::end(kKinds),
                       [=](const KindEntry& entry) { return entry.kind == kind; });
}

std::vector<std::string_view> KindNames() {
  std::vector<std::string_view> names;
  for (const KindEntry& entry : kKinds) names.push_back(entry.name);
  return names;
}

std::string_view ToText(Kind kind) { return EntryOf(kind).name; }

std::optional<Kind> ParseKind(std::string_view text) {
  for (const KindEntry& entry : kKinds) {
    if (EqualsIgnoringCase(text, entry.name) || EqualsIgnoringCase(text, entry.plural)) {
      return entry.kind;
    }
  }
  return std::nullopt;
}

const ObjectFields& DocumentFieldsOf(Kind kind) {
  static const std::map<Kind, DocumentFields> all = [] {
    std::map<Kind, DocumentFields> built;
    for (const KindEntry& entry : kKinds) built.emplace(entry.kind, DocumentFields(entry));
    return built;
  }();
  return all.at(kind);
}

FieldSearch FindField(Kind kind, std::string_view path) {
  FieldSearch found{&DocumentFieldsOf(kind)};
  while (!path.empty()) {
    const std::string_view step = path.substr(0, path.find('.'));
    const std::string_view name = step.substr(0, step.find('['));
    if (found.field != nullptr && found.field->type.kind != FieldKind::kObject) {
      return {found.parent, nullptr, std::string(step)};
    }
    if (found.field != nullptr) found.parent = &found.field->type.object();
    found.field = found.parent->Find(name);
    const bool is_known =
        found.field != nullptr && found.field->type.kind != FieldKind::kUnsupported;
    if (!is_known) return {found.parent, nullptr, std::string(name)};
    path.remove_prefix(std::min(path.size(), step.size() + 1));
  }
  return found;
}

}  // namespace tulle::policy
