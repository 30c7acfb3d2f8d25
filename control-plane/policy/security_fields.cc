#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

constexpr size_t kMaxRules = 64;
constexpr size_t kMaxValues = 64;

void FinishFrom(ObjectReader& reader, AuthorizationRule& rule) {
  if (!rule.principals.empty() || !rule.namespaces.empty()) return;
  reader.Complain("principals", "principals or namespaces are required",
                  "name callers, or remove `from` to match every caller");
}

const Schema<AuthorizationRule>& FromFields() {
  static const Schema<AuthorizationRule> schema(
      {
          {"principals", Texts(&AuthorizationRule::principals, kMaxValues, kPrincipal),
           "any identity",
           "Identities of callers: spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT or "
           "ns/NAMESPACE/sa/ACCOUNT, each may end in `*`. `\"*\"`: every authenticated caller."},
          {"namespaces", Texts(&AuthorizationRule::namespaces, kMaxValues, kNamespaceName),
           "any namespace", "Namespaces of the callers' identities."},
      },
      FinishFrom,
      {{"has(self.principals) && size(self.principals) > 0 || "
        "has(self.namespaces) && size(self.namespaces) > 0",
        "principals or namespaces are required"}});
  return schema;
}

void FinishTo(ObjectReader& reader, AuthorizationRule& rule) {
  if (!rule.methods.empty() || !rule.paths.empty() || !rule.ports.empty()) return;
  reader.Complain("methods", "methods, paths or ports are required",
                  "name what may be called, or remove `to` to match everything");
}

const Schema<AuthorizationRule>& ToFields() {
  static const Schema<AuthorizationRule> schema(
      {
          {"methods", Texts(&AuthorizationRule::methods, kMaxValues, kMethod), "any method",
           "Methods of requests, in upper case. On a tcp port, an ALLOW rule with methods allows "
           "nothing, and such a DENY rule denies every connection."},
          {"paths", Texts(&AuthorizationRule::paths, kMaxValues, kPathPattern), "any path",
           "Normalized paths of requests; a `*` at the end matches every path with that prefix. "
           "Without `?`, `#` and `%`. On a tcp port as `methods`."},
          {"ports", Integers(&AuthorizationRule::ports, 1, 65535, kMaxValues), "any port",
           "Ports of the Service."},
      },
      FinishTo,
      {{"has(self.methods) && size(self.methods) > 0 || has(self.paths) && size(self.paths) > 0 || "
        "has(self.ports) && size(self.ports) > 0",
        "methods, paths or ports are required"}});
  return schema;
}

const Schema<AuthorizationRule>& RuleFields() {
  static const Schema<AuthorizationRule> schema({
      {"from", Part(FromFields), "every caller",
       "Who calls. All lists that are set must match, each with one of its elements."},
      {"to", Part(ToFields), "everything",
       "What is called. All lists that are set must match, each with one of its elements."},
  });
  return schema;
}

void FinishAuthorization(ObjectReader& reader, AuthorizationPolicy& policy) {
  if (policy.action != AuthorizationAction::kDeny || !policy.rules.empty()) return;
  reader.Complain("rules", "a DENY policy without rules denies nothing",
                  "add a rule; - {} denies everything to everyone");
}

}  // namespace

const Schema<AuthorizationPolicy>& AuthorizationPolicyFields() {
  static const Schema<AuthorizationPolicy> schema(
      {
          {"targetRef", Object(&AuthorizationPolicy::target, ServiceOrNamespaceTarget), kRequired,
           "What is called: a Service, or every Service of the namespace."},
          {"action",
           Choice(&AuthorizationPolicy::action,
                  {{"ALLOW", AuthorizationAction::kAllow}, {"DENY", AuthorizationAction::kDeny}}),
           kRequired, "What happens to requests that match a rule."},
          {"rules", Objects(&AuthorizationPolicy::rules, RuleFields, kMaxRules), kNoDefault,
           "Requests that the action is for: those that match any of the rules. `- {}` matches "
           "everything. ALLOW without rules denies everything; DENY without rules is an error."},
      },
      FinishAuthorization,
      {{"self.action != 'DENY' || has(self.rules) && size(self.rules) > 0",
        "a DENY policy requires rules"}});
  return schema;
}

const Schema<PeerAuthentication>& PeerAuthenticationFields() {
  static const Schema<PeerAuthentication> schema({
      {"targetRef", Object(&PeerAuthentication::target, AnyTarget), kRequired,
       "The Services that accept connections."},
      {"mode",
       Choice(&PeerAuthentication::mode,
              {{"STRICT", MtlsMode::kStrict}, {"PERMISSIVE", MtlsMode::kPermissive}}),
       kRequired,
       "STRICT accepts mutual TLS only; PERMISSIVE accepts plaintext too. Without any policy the "
       "mode is PERMISSIVE."},
  });
  return schema;
}

const Schema<EgressPolicy>& EgressPolicyFields() {
  static const Schema<EgressPolicy> schema({
      {"targetRef", Object(&EgressPolicy::target, AnyTarget), kRequired,
       "The Services whose workloads call."},
      {"unknownDestinations",
       Choice(&EgressPolicy::unknown,
              {{"ALLOW", UnknownDestinations::kAllow}, {"DENY", UnknownDestinations::kDeny}}),
       kRequired,
       "Whether workloads may call addresses of no Service and no ExternalService. Without any "
       "policy they may."},
  });
  return schema;
}

}  // namespace tulle::policy
