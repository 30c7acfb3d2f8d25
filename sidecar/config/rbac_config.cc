// Converts RBAC rules.
#include "sidecar/config/rbac_config.h"

#include "absl/strings/str_cat.h"
#include "sidecar/config/values.h"

namespace tulle::config {
namespace {

namespace rbac = envoy::config::rbac::v3;
using Kind = policy::RuleSpec::Kind;
using Rule = absl::StatusOr<policy::RuleSpec>;

Rule OfHeader(const envoy::config::route::v3::HeaderMatcher& matcher, const FieldPath& at) {
  auto header = ToHeader(matcher, at);
  if (!header.ok()) return header.status();
  policy::RuleSpec rule{Kind::kHeader};
  rule.header = *std::move(header);
  return rule;
}

Rule OfString(Kind kind, const envoy::type::matcher::v3::StringMatcher& matcher,
              const FieldPath& at) {
  auto string = ToString(matcher, at);
  if (!string.ok()) return string.status();
  policy::RuleSpec rule{kind};
  rule.string = *std::move(string);
  return rule;
}

Rule OfRange(Kind kind, const envoy::config::core::v3::CidrRange& range, const FieldPath& at) {
  auto cidr = ToCidr(range, at);
  if (!cidr.ok()) return cidr.status();
  policy::RuleSpec rule{kind};
  rule.cidr = *cidr;
  return rule;
}

// Int32Range: the end is exclusive.
Rule OfPorts(int64_t first, int64_t end, const FieldPath& at) {
  if (first < 0 || end <= first || end > 65536) return at.Error("invalid port range");
  policy::RuleSpec rule{Kind::kDestinationPort};
  rule.port_first = static_cast<uint16_t>(first);
  rule.port_last = static_cast<uint16_t>(end - 1);
  return rule;
}

Rule OfAny(bool any, const FieldPath& at) {
  if (!any) return at.Error("can only be true");
  return policy::RuleSpec{Kind::kAny};
}

template <typename Items, typename Convert>
Rule OfSet(Kind kind, const Items& items, const FieldPath& at, Convert convert) {
  policy::RuleSpec rule{kind};
  for (int i = 0; i < items.size(); ++i) {
    auto child = convert(items[i], at[static_cast<size_t>(i)]);
    if (!child.ok()) return child.status();
    rule.children.push_back(*std::move(child));
  }
  if (rule.children.empty()) return at.Error("needs at least one entry");
  return rule;
}

Rule Negated(Rule child) {
  if (!child.ok()) return child;
  policy::RuleSpec rule{Kind::kNot};
  rule.children.push_back(*std::move(child));
  return rule;
}

Rule ToPermission(const rbac::Permission& permission, const FieldPath& at) {
  switch (permission.rule_case()) {
    case rbac::Permission::kAndRules:
      return OfSet(Kind::kAnd, permission.and_rules().rules(), at / "and_rules.rules",
                   ToPermission);
    case rbac::Permission::kOrRules:
      return OfSet(Kind::kOr, permission.or_rules().rules(), at / "or_rules.rules", ToPermission);
    case rbac::Permission::kAny:
      return OfAny(permission.any(), at / "any");
    case rbac::Permission::kHeader:
      return OfHeader(permission.header(), at / "header");
    case rbac::Permission::kDestinationIp:
      return OfRange(Kind::kDestinationIp, permission.destination_ip(), at / "destination_ip");
    case rbac::Permission::kDestinationPort:
      return OfPorts(permission.destination_port(), int64_t{permission.destination_port()} + 1,
                     at / "destination_port");
    case rbac::Permission::kDestinationPortRange:
      return OfPorts(permission.destination_port_range().start(),
                     permission.destination_port_range().end(), at / "destination_port_range");
    case rbac::Permission::kNotRule:
      return Negated(ToPermission(permission.not_rule(), at / "not_rule"));
    case rbac::Permission::kRequestedServerName:
      return OfString(Kind::kServerName, permission.requested_server_name(),
                      at / "requested_server_name");
    case rbac::Permission::kUrlPath:
      return OfString(Kind::kUrlPath, permission.url_path().path(), at / "url_path.path");
    default:
      return at.Error("needs a rule that is implemented, such as any, header, url_path");
  }
}

Rule OfAuthenticated(const rbac::Principal::Authenticated& authenticated, const FieldPath& at) {
  if (!authenticated.has_principal_name()) return policy::RuleSpec{Kind::kAuthenticated};
  return OfString(Kind::kAuthenticated, authenticated.principal_name(), at / "principal_name");
}

Rule ToPrincipal(const rbac::Principal& principal, const FieldPath& at) {
  switch (principal.identifier_case()) {
    case rbac::Principal::kAndIds:
      return OfSet(Kind::kAnd, principal.and_ids().ids(), at / "and_ids.ids", ToPrincipal);
    case rbac::Principal::kOrIds:
      return OfSet(Kind::kOr, principal.or_ids().ids(), at / "or_ids.ids", ToPrincipal);
    case rbac::Principal::kAny:
      return OfAny(principal.any(), at / "any");
    case rbac::Principal::kAuthenticated:
      return OfAuthenticated(principal.authenticated(), at / "authenticated");
    case rbac::Principal::kSourceIp:
      return OfRange(Kind::kDirectRemoteIp, principal.source_ip(), at / "source_ip");
    case rbac::Principal::kDirectRemoteIp:
      return OfRange(Kind::kDirectRemoteIp, principal.direct_remote_ip(), at / "direct_remote_ip");
    case rbac::Principal::kRemoteIp:
      return OfRange(Kind::kRemoteIp, principal.remote_ip(), at / "remote_ip");
    case rbac::Principal::kHeader:
      return OfHeader(principal.header(), at / "header");
    case rbac::Principal::kNotId:
      return Negated(ToPrincipal(principal.not_id(), at / "not_id"));
    case rbac::Principal::kUrlPath:
      return OfString(Kind::kUrlPath, principal.url_path().path(), at / "url_path.path");
    default:
      return at.Error("needs an identifier that is implemented, such as any, authenticated");
  }
}

absl::StatusOr<policy::PolicySpec> ToPolicy(const std::string& name, const rbac::Policy& policy,
                                            const FieldPath& at) {
  auto permissions = OfSet(Kind::kOr, policy.permissions(), at / "permissions", ToPermission);
  if (!permissions.ok()) return permissions.status();
  auto principals = OfSet(Kind::kOr, policy.principals(), at / "principals", ToPrincipal);
  if (!principals.ok()) return principals.status();
  return policy::PolicySpec{name, std::move(permissions->children),
                            std::move(principals->children)};
}

}  // namespace

absl::StatusOr<policy::RulesSpec> ToRules(const rbac::RBAC& rules, const FieldPath& at) {
  policy::RulesSpec spec;
  spec.action = rules.action() == rbac::RBAC::DENY  ? policy::Action::kDeny
                : rules.action() == rbac::RBAC::LOG ? policy::Action::kLog
                                                    : policy::Action::kAllow;
  for (const auto& [name, policy] : rules.policies()) {
    auto converted = ToPolicy(name, policy, (at / "policies").Key(name));
    if (!converted.ok()) return converted.status();
    spec.policies.push_back(*std::move(converted));
  }
  return spec;
}

}  // namespace tulle::config
