#include "control-plane/snapshot/authorization.h"

#include <algorithm>
#include <set>

#include "certs/spiffe_names.h"

namespace tulle::snapshot {
namespace {

namespace rbacv3 = envoy::config::rbac::v3;

using policy::AuthorizationAction;
using policy::AuthorizationRule;

void SetPattern(const std::string& text, envoy::type::matcher::v3::StringMatcher* matcher) {
  if (text.ends_with("*")) {
    matcher->set_prefix(text.substr(0, text.size() - 1));
  } else {
    matcher->set_exact(text);
  }
}

void AddPrincipal(const std::string& text, const std::string& trust_domain,
                  rbacv3::Principal::Set* any_of) {
  auto* authenticated = any_of->add_ids()->mutable_authenticated();
  if (text == "*") return;  // whoever has a certificate
  const bool is_short = text.starts_with("ns/");
  SetPattern(is_short ? certs::SpiffeUri(trust_domain, "/" + text) : text,
             authenticated->mutable_principal_name());
}

void SetPrincipals(const AuthorizationRule& rule, const std::string& trust_domain,
                   rbacv3::Principal* principal) {
  if (rule.principals.empty() && rule.namespaces.empty()) {
    principal->set_any(true);
    return;
  }
  rbacv3::Principal::Set* all = principal->mutable_and_ids();
  if (!rule.principals.empty()) {
    rbacv3::Principal::Set* any_of = all->add_ids()->mutable_or_ids();
    for (const std::string& text : rule.principals) AddPrincipal(text, trust_domain, any_of);
  }
  if (!rule.namespaces.empty()) {
    rbacv3::Principal::Set* any_of = all->add_ids()->mutable_or_ids();
    for (const std::string& ns : rule.namespaces) {
      AddPrincipal("ns/" + ns + "/*", trust_domain, any_of);
    }
  }
}

void SetPermissions(const AuthorizationRule& rule, bool is_http, rbacv3::Permission* permission) {
  if (!is_http || (rule.methods.empty() && rule.paths.empty())) {
    permission->set_any(true);
    return;
  }
  rbacv3::Permission::Set* all = permission->mutable_and_rules();
  if (!rule.methods.empty()) {
    rbacv3::Permission::Set* any_of = all->add_rules()->mutable_or_rules();
    for (const std::string& method : rule.methods) {
      auto* header = any_of->add_rules()->mutable_header();
      header->set_name(":method");
      header->mutable_string_match()->set_exact(method);
    }
  }
  if (!rule.paths.empty()) {
    rbacv3::Permission::Set* any_of = all->add_rules()->mutable_or_rules();
    for (const std::string& path : rule.paths) {
      SetPattern(path, any_of->add_rules()->mutable_url_path()->mutable_path());
    }
  }
}

bool Concerns(const AuthorizationRule& rule, const discovery::InboundPort& port) {
  const auto is_named = [&rule](uint32_t number) {
    return std::find(rule.ports.begin(), rule.ports.end(), number) != rule.ports.end();
  };
  return rule.ports.empty() || is_named(port.service_port) ||
         std::any_of(port.further_service_ports.begin(), port.further_service_ports.end(),
                     is_named);
}

void AddPolicy(const policy::Document& document, const std::string& trust_domain,
               const discovery::InboundPort& port, AuthorizationRules* rules) {
  const auto& said = std::get<policy::AuthorizationPolicy>(document.spec);
  const bool is_http = port.protocol != policy::Protocol::kTcp;
  const bool denies = said.action == AuthorizationAction::kDeny;
  for (size_t i = 0; i < said.rules.size(); ++i) {
    const AuthorizationRule& rule = said.rules[i];
    if (!Concerns(rule, port)) continue;
    const bool asks_for_http = !rule.methods.empty() || !rule.paths.empty();
    if (asks_for_http && !is_http && !denies) continue;
    if (denies && !rules->deny) rules->deny.emplace().set_action(rbacv3::RBAC::DENY);
    const std::string name = "ns[" + document.key.ns + "]-policy[" + document.key.name + "]-rule[" +
                             std::to_string(i) + "]";
    rbacv3::Policy& policy = (*(denies ? rules->deny : rules->allow)->mutable_policies())[name];
    SetPrincipals(rule, trust_domain, policy.add_principals());
    SetPermissions(rule, is_http, policy.add_permissions());
    rules->looks_at_paths |= is_http && !rule.paths.empty();
  }
}

}  // namespace

AuthorizationRules RulesFor(const policy::PolicyIndex& policies, const std::string& trust_domain,
                            const std::vector<discovery::ServiceName>& services,
                            const discovery::InboundPort& port) {
  AuthorizationRules rules;
  std::set<policy::DocumentKey> seen;  // a policy of the namespace is bound to every service in it
  for (const discovery::ServiceName& service : services) {
    for (const policy::Document* document : policies.AuthorizationsOf(service)) {
      if (!seen.insert(document->key).second) continue;
      const bool allows = std::get<policy::AuthorizationPolicy>(document->spec).action ==
                          AuthorizationAction::kAllow;
      if (allows && !rules.allow) rules.allow.emplace().set_action(rbacv3::RBAC::ALLOW);
      AddPolicy(*document, trust_domain, port, &rules);
    }
  }
  return rules;
}

}  // namespace tulle::snapshot
