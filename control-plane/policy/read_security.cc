#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

constexpr size_t kMostRules = 64;
constexpr size_t kMostValues = 64;

bool IsPrincipal(std::string_view text) {
  if (text == "*") return true;
  if (text.ends_with("*")) text.remove_suffix(1);
  if (text.find('*') != std::string_view::npos) return false;
  return text.starts_with("spiffe://") || text.starts_with("ns/");
}

void CheckPrincipals(ObjectReader& from, const std::vector<std::string>& principals) {
  for (const std::string& principal : principals) {
    if (IsPrincipal(principal)) continue;
    from.Complain("principals", "\"" + principal + "\" is no identity",
                  "write spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT or ns/NAMESPACE/sa/ACCOUNT; "
                  "it may end in *, and \"*\" is whoever is authenticated");
  }
}

void CheckPaths(ObjectReader& to, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const size_t star = path.find('*');
    const bool is_good = path[0] == '/' && (star == std::string::npos || star + 1 == path.size()) &&
                         path.find_first_of("?#%") == std::string::npos;
    if (is_good) continue;
    to.Complain("paths", "\"" + path + "\" is no path",
                "begin with /; a * may stand at the end only; no ?, # and %");
  }
}

void ReadFrom(ObjectReader& from, AuthorizationRule* rule) {
  rule->principals = from.Texts("principals", kMostValues);
  CheckPrincipals(from, rule->principals);
  rule->namespaces = from.Texts("namespaces", kMostValues);
  for (const std::string& ns : rule->namespaces) {
    if (!IsDnsLabel(ns))
      from.Complain("namespaces", "\"" + ns + "\" is no namespace",
                    "lower-case letters, digits and -");
  }
  if (rule->principals.empty() && rule->namespaces.empty()) {
    from.Complain("principals", "is missing, and so is namespaces",
                  "name callers, or leave `from` out for anybody");
  }
}

void ReadTo(ObjectReader& to, AuthorizationRule* rule) {
  rule->methods = to.Texts("methods", kMostValues);
  for (const std::string& method : rule->methods) {
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    if (!std::all_of(method.begin(), method.end(), is_upper)) {
      to.Complain("methods", "\"" + method + "\" is no method",
                  "write it in capitals, like GET or POST");
    }
  }
  rule->paths = to.Texts("paths", kMostValues);
  CheckPaths(to, rule->paths);
  rule->ports = to.Integers("ports", 1, 65535, kMostValues);
  if (rule->methods.empty() && rule->paths.empty() && rule->ports.empty()) {
    to.Complain("methods", "is missing, and so are paths and ports",
                "name what may be asked for, or leave `to` out for everything");
  }
}

}  // namespace

AuthorizationPolicy ReadAuthorizationPolicy(ObjectReader& spec, const std::string& ns) {
  AuthorizationPolicy policy;
  policy.target = ReadTarget(spec, ns, {TargetKind::kService, TargetKind::kNamespace});
  const auto action = spec.Choice<AuthorizationAction>(
      "action", {{"ALLOW", AuthorizationAction::kAllow}, {"DENY", AuthorizationAction::kDeny}});
  if (!spec.Has("action")) spec.Complain("action", "is missing", "write ALLOW or DENY");
  policy.action = action.value_or(AuthorizationAction::kAllow);
  spec.List("rules", kMostRules, [&](const YAML::Node& node, const std::string& path) {
    ObjectReader reader(node, path, spec.diagnosis());
    AuthorizationRule rule;
    reader.Object("from", [&](ObjectReader& from) { ReadFrom(from, &rule); });
    reader.Object("to", [&](ObjectReader& to) { ReadTo(to, &rule); });
    reader.Finish();
    policy.rules.push_back(std::move(rule));
  });
  if (action == AuthorizationAction::kDeny && policy.rules.empty()) {
    spec.Complain("rules", "is empty, so that this DENY denies nothing",
                  "write a rule; - {} denies everybody everything");
  }
  return policy;
}

PeerAuthentication ReadPeerAuthentication(ObjectReader& spec, const std::string& ns) {
  PeerAuthentication policy;
  policy.target =
      ReadTarget(spec, ns, {TargetKind::kService, TargetKind::kNamespace, TargetKind::kMesh});
  const auto mode = spec.Choice<MtlsMode>(
      "mode", {{"STRICT", MtlsMode::kStrict}, {"PERMISSIVE", MtlsMode::kPermissive}});
  if (!spec.Has("mode")) spec.Complain("mode", "is missing", "write STRICT or PERMISSIVE");
  policy.mode = mode.value_or(MtlsMode::kStrict);
  return policy;
}

EgressPolicy ReadEgressPolicy(ObjectReader& spec, const std::string& ns) {
  EgressPolicy policy;
  policy.target =
      ReadTarget(spec, ns, {TargetKind::kService, TargetKind::kNamespace, TargetKind::kMesh});
  const auto unknown = spec.Choice<UnknownDestinations>(
      "unknownDestinations",
      {{"ALLOW", UnknownDestinations::kAllow}, {"DENY", UnknownDestinations::kDeny}});
  if (!spec.Has("unknownDestinations")) {
    spec.Complain("unknownDestinations", "is missing", "write ALLOW or DENY");
  }
  policy.unknown = unknown.value_or(UnknownDestinations::kDeny);
  return policy;
}

}  // namespace tulle::policy
