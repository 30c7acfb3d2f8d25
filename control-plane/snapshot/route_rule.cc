#include "control-plane/snapshot/route_rule.h"

#include <re2/re2.h>

#include "control-plane/snapshot/backends.h"
#include "control-plane/snapshot/balancing.h"
#include "control-plane/snapshot/header_changes.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/route_limits.h"
#include "control-plane/snapshot/route_match.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

using policy::Protocol;
using policy::RouteMatch;
using policy::RouteRule;

routev3::RedirectAction::RedirectResponseCode CodeOf(uint32_t status) {
  switch (status) {
    case 301:
      return routev3::RedirectAction::MOVED_PERMANENTLY;
    case 303:
      return routev3::RedirectAction::SEE_OTHER;
    case 307:
      return routev3::RedirectAction::TEMPORARY_REDIRECT;
    case 308:
      return routev3::RedirectAction::PERMANENT_REDIRECT;
    default:
      return routev3::RedirectAction::FOUND;
  }
}

// In a substitution of RE2 a backslash begins a reference to a group.
std::string AsSubstitution(const std::string& literal) {
  std::string substitution;
  for (const char c : literal) substitution += c == '\\' ? "\\\\" : std::string(1, c);
  return substitution;
}

// The whole path, or what a prefix is replaced by. A prefix that goes away leaves a slash and not
// two.
template <typename Action>
void SetPath(const policy::PathModifier& path, const RouteMatch& match, Action* action) {
  auto set_regex = [action](const std::string& pattern, const std::string& substitution) {
    action->mutable_regex_rewrite()->mutable_pattern()->set_regex(pattern);
    action->mutable_regex_rewrite()->set_substitution(substitution);
  };
  if (path.full) return set_regex("^/.*$", AsSubstitution(*path.full));
  std::string to = *path.prefix;
  while (to.size() > 1 && to.back() == '/') to.pop_back();
  const std::string& from = match.path.value;
  if (to == "/" && from != "/") return set_regex("^" + RE2::QuoteMeta(from) + "/*", "/");
  action->set_prefix_rewrite(from == "/" && to != "/" ? to + "/" : to);
}

void SetRedirect(const policy::RedirectFilter& redirect, const RouteMatch& match,
                 routev3::RedirectAction* action) {
  if (redirect.scheme) action->set_scheme_redirect(*redirect.scheme);
  if (redirect.hostname) action->set_host_redirect(*redirect.hostname);
  if (redirect.port) action->set_port_redirect(*redirect.port);
  if (redirect.path && redirect.path->full) {
    action->set_path_redirect(*redirect.path->full);
  } else if (redirect.path) {
    SetPath(*redirect.path, match, action);
  }
  action->set_response_code(CodeOf(redirect.status));
}

void SetFraction(const policy::MirrorFilter& mirror, envoy::type::v3::FractionalPercent* percent) {
  percent->set_numerator(mirror.percent.value_or(100));
  if (!mirror.fraction) return;
  constexpr uint64_t kMillion = 1000000;
  percent->set_numerator(
      static_cast<uint32_t>(mirror.fraction->numerator * kMillion / mirror.fraction->denominator));
  percent->set_denominator(envoy::type::v3::FractionalPercent::MILLION);
}

void SetFilters(const RouteRule& rule, const RouteMatch& match, routev3::RouteAction* action) {
  if (rule.rewrite && rule.rewrite->hostname)
    action->set_host_rewrite_literal(*rule.rewrite->hostname);
  if (rule.rewrite && rule.rewrite->path) SetPath(*rule.rewrite->path, match, action);
  for (const policy::MirrorFilter& mirror : rule.mirrors) {
    if (!mirror.invalid.empty()) continue;
    auto* policy = action->add_request_mirror_policies();
    policy->set_cluster(OutboundCluster(discovery::HostOf(mirror.service), mirror.port));
    SetFraction(mirror, policy->mutable_runtime_fraction()->mutable_default_value());
  }
}

}  // namespace

void AddRule(const policy::RankedMatch& each, const policy::ResiliencePolicy& policy,
             Protocol protocol, routev3::VirtualHost* host) {
  const RouteRule& rule = *each.rule;
  AddInvalidShare(each, host);
  routev3::Route* route = host->add_routes();
  route->set_name(each.Name());
  SetMatch(*each.match, route->mutable_match());
  if (rule.redirect) {
    SetRedirect(*rule.redirect, *each.match, route->mutable_redirect());
  } else {
    SetBackends(each, route);
  }
  if (route->has_route()) {
    SetFilters(rule, *each.match, route->mutable_route());
    const bool is_grpc = each.document->key.kind == policy::Kind::kGrpcRoute;
    SetTimeouts(&rule, policy, is_grpc ? Protocol::kGrpc : protocol, route->mutable_route());
    SetRetries(&rule, policy, route->mutable_route());
    SetHashPolicy(policy, route->mutable_route());
  }
  SetHeaders(rule.request_headers, rule.response_headers, route);
}

}  // namespace tulle::snapshot
