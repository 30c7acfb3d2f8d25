#include <re2/re2.h>

#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/snapshot/balancing.h"
#include "control-plane/snapshot/limits.h"
#include "control-plane/snapshot/members.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

using policy::HttpRouteMatch;
using policy::HttpRouteRule;
using policy::PathMatchType;
using policy::Protocol;
using std::chrono::milliseconds;

// Only what is proven unprocessed is retried when no policy says otherwise.
constexpr char kRetryOnUnprocessed[] = "connect-failure,refused-stream";
constexpr uint32_t kRetryAttempts = 2;
constexpr milliseconds kBackoffBase{25};
constexpr milliseconds kBackoffMax{250};
// What a Retry-After asks beyond it is not waited for.
constexpr milliseconds kLongestWaitAsked{10000};
// As long as that of a relayed connection.
constexpr milliseconds kTunnelIdleTimeout{3600000};

struct RuleMatch {
  const HttpRouteRule* rule = nullptr;
  const HttpRouteMatch* match = nullptr;
  std::string name;
};

// The Gateway API's precedence: exact path, then the longest prefix, then method, headers,
// parameters; ties go to the first written. A regular expression stands between exact and prefix.
bool GoesBefore(const RuleMatch& a, const RuleMatch& b) {
  const auto rank = [](const HttpRouteMatch& match) {
    return match.path.type == PathMatchType::kExact               ? 2
           : match.path.type == PathMatchType::kRegularExpression ? 1
                                                                  : 0;
  };
  const HttpRouteMatch& x = *a.match;
  const HttpRouteMatch& y = *b.match;
  if (rank(x) != rank(y)) return rank(x) > rank(y);
  if (x.path.value.size() != y.path.value.size()) return x.path.value.size() > y.path.value.size();
  if (x.method.has_value() != y.method.has_value()) return x.method.has_value();
  if (x.headers.size() != y.headers.size()) return x.headers.size() > y.headers.size();
  return x.query_params.size() > y.query_params.size();
}

void SetValue(const policy::ValueMatch& value, envoy::type::matcher::v3::StringMatcher* matcher) {
  if (value.is_regex) {
    matcher->mutable_safe_regex()->set_regex(value.value);
  } else {
    matcher->set_exact(value.value);
  }
}

void SetMatch(const HttpRouteMatch& match, routev3::RouteMatch* message) {
  switch (match.path.type) {
    case PathMatchType::kExact:
      message->set_path(match.path.value);
      break;
    case PathMatchType::kRegularExpression:
      message->mutable_safe_regex()->set_regex(match.path.value);
      break;
    case PathMatchType::kPathPrefix:
      if (match.path.value == "/") {
        message->set_prefix("/");
      } else {
        message->set_path_separated_prefix(match.path.value);
      }
      break;
  }
  if (match.method) {
    routev3::HeaderMatcher* method = message->add_headers();
    method->set_name(":method");
    method->mutable_string_match()->set_exact(*match.method);
  }
  for (const policy::ValueMatch& header : match.headers) {
    routev3::HeaderMatcher* matcher = message->add_headers();
    matcher->set_name(header.name);
    SetValue(header, matcher->mutable_string_match());
  }
  for (const policy::ValueMatch& parameter : match.query_params) {
    routev3::QueryParameterMatcher* matcher = message->add_query_parameters();
    matcher->set_name(parameter.name);
    SetValue(parameter, matcher->mutable_string_match());
  }
}

// Envoy reads a value as a format, in which %% stands for one of them.
std::string AsFormat(const std::string& literal) {
  std::string format;
  for (const char c : literal) format += c == '%' ? "%%" : std::string(1, c);
  return format;
}

template <typename Options>
void AddHeaders(const policy::HeaderModifier& modifier, Options* options) {
  using envoy::config::core::v3::HeaderValueOption;
  const auto add = [&](const policy::HeaderValue& header,
                       HeaderValueOption::HeaderAppendAction action) {
    HeaderValueOption* option = options->Add();
    option->mutable_header()->set_key(header.name);
    option->mutable_header()->set_value(AsFormat(header.value));
    option->set_append_action(action);
    if (header.value.empty()) option->set_keep_empty_value(true);
  };
  for (const auto& header : modifier.set)
    add(header, HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  for (const auto& header : modifier.add) add(header, HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
}

std::string RetryWords(const policy::RetryPolicy& retries, bool has_codes) {
  std::string words;
  for (const std::string& word : retries.on) words += (words.empty() ? "" : ",") + word;
  if (words.empty()) words = kRetryOnUnprocessed;
  if (has_codes) words += ",retriable-status-codes";
  return words;
}

uint32_t AttemptsOf(const HttpRouteRule* rule, const policy::ResiliencePolicy& policy) {
  if (rule != nullptr && rule->retry && rule->retry->attempts) return *rule->retry->attempts;
  return policy.retries.attempts.value_or(kRetryAttempts);
}

milliseconds PerTryOf(const HttpRouteRule* rule, const policy::ResiliencePolicy& policy) {
  if (rule != nullptr && rule->backend_request_timeout) return *rule->backend_request_timeout;
  return policy.timeouts.per_try.value_or(milliseconds(0));
}

// The route's own word wins field by field over the ResiliencePolicy.
void SetRetries(const HttpRouteRule* rule, const policy::ResiliencePolicy& policy,
                routev3::RouteAction* action) {
  const policy::RouteRetry own =
      rule != nullptr ? rule->retry.value_or(policy::RouteRetry()) : policy::RouteRetry();
  const uint32_t attempts = AttemptsOf(rule, policy);
  if (attempts == 0) return;
  const std::vector<uint32_t>& codes = own.codes.empty() ? policy.retries.codes : own.codes;
  routev3::RetryPolicy* retry = action->mutable_retry_policy();
  retry->set_retry_on(RetryWords(policy.retries, !codes.empty()));
  retry->mutable_num_retries()->set_value(attempts);
  for (const uint32_t code : codes) retry->add_retriable_status_codes(code);
  const milliseconds base =
      own.backoff.value_or(policy.retries.backoff_base.value_or(kBackoffBase));
  SetDuration(base, retry->mutable_retry_back_off()->mutable_base_interval());
  const milliseconds ten_times = std::min<milliseconds>(base * 10, policy::kLongestDuration);
  SetDuration(std::max(base, policy.retries.backoff_max.value_or(std::max(ten_times, kBackoffMax))),
              retry->mutable_retry_back_off()->mutable_max_interval());
  auto* reset = retry->mutable_rate_limited_retry_back_off()->add_reset_headers();
  reset->set_name("retry-after");
  reset->set_format(routev3::RetryPolicy::SECONDS);
  SetDuration(kLongestWaitAsked,
              retry->mutable_rate_limited_retry_back_off()->mutable_max_interval());
  const milliseconds per_try = PerTryOf(rule, policy);
  if (per_try.count() > 0) SetDuration(per_try, retry->mutable_per_try_timeout());
  // A request that is kept to an endpoint is kept to it when it is sent again.
  if (policy.hash_on) return;
  auto* predicate = retry->add_retry_host_predicate();
  predicate->set_name("envoy.retry_host_predicates.previous_hosts");
  Pack(envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate(),
       predicate->mutable_typed_config());
  retry->set_host_selection_retry_max_attempts(3);
}

void SetTimeouts(const HttpRouteRule* rule, const policy::ResiliencePolicy& policy,
                 Protocol protocol, routev3::RouteAction* action) {
  milliseconds request = policy.timeouts.request.value_or(milliseconds(0));
  if (rule != nullptr && rule->request_timeout) request = *rule->request_timeout;
  const milliseconds per_try = PerTryOf(rule, policy);
  // Envoy knows a limit of one try only as part of a retry policy; without retries it bounds the
  // whole.
  if (AttemptsOf(rule, policy) == 0 && per_try.count() > 0 &&
      (request.count() == 0 || per_try < request)) {
    request = per_try;
  }
  SetDuration(request, action->mutable_timeout());
  if (policy.timeouts.idle) SetDuration(*policy.timeouts.idle, action->mutable_idle_timeout());
  if (protocol == Protocol::kGrpc || protocol == Protocol::kAuto) {
    // 0s: the caller's own grpc-timeout holds, without a ceiling.
    SetDuration(milliseconds(0),
                action->mutable_max_stream_duration()->mutable_grpc_timeout_header_max());
  }
}

// A rule whose weights are all zero answers 500, as the Gateway API says.
void SetBackends(const std::vector<policy::BackendRef>& backends, routev3::Route* route) {
  std::vector<const policy::BackendRef*> live;
  for (const policy::BackendRef& backend : backends) {
    if (backend.weight > 0) live.push_back(&backend);
  }
  if (live.empty()) {
    route->mutable_direct_response()->set_status(500);
  } else if (live.size() == 1) {
    route->mutable_route()->set_cluster(
        OutboundCluster(discovery::HostOf(live[0]->service), live[0]->port));
  } else {
    for (const policy::BackendRef* backend : live) {
      auto* cluster = route->mutable_route()->mutable_weighted_clusters()->add_clusters();
      cluster->set_name(OutboundCluster(discovery::HostOf(backend->service), backend->port));
      cluster->mutable_weight()->set_value(backend->weight);
    }
  }
}

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
void SetPath(const policy::PathModifier& path, const HttpRouteMatch& match, Action* action) {
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

void SetRedirect(const policy::RedirectFilter& redirect, const HttpRouteMatch& match,
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

void SetFilters(const HttpRouteRule& rule, const HttpRouteMatch& match,
                routev3::RouteAction* action) {
  if (rule.rewrite && rule.rewrite->hostname)
    action->set_host_rewrite_literal(*rule.rewrite->hostname);
  if (rule.rewrite && rule.rewrite->path) SetPath(*rule.rewrite->path, match, action);
  for (const policy::MirrorFilter& mirror : rule.mirrors) {
    auto* policy = action->add_request_mirror_policies();
    policy->set_cluster(OutboundCluster(discovery::HostOf(mirror.service), mirror.port));
    policy->mutable_runtime_fraction()->mutable_default_value()->set_numerator(mirror.percent);
  }
}

const policy::ResiliencePolicy& OrNone(const policy::ResiliencePolicy* policy) {
  static const policy::ResiliencePolicy kNone;
  return policy == nullptr ? kNone : *policy;
}

void AddRule(const RuleMatch& each, const policy::ResiliencePolicy& policy, Protocol protocol,
             routev3::VirtualHost* host) {
  const HttpRouteRule& rule = *each.rule;
  routev3::Route* route = host->add_routes();
  route->set_name(each.name);
  SetMatch(*each.match, route->mutable_match());
  if (rule.redirect) {
    SetRedirect(*rule.redirect, *each.match, route->mutable_redirect());
  } else {
    SetBackends(rule.backends, route);
  }
  if (route->has_route()) {
    SetFilters(rule, *each.match, route->mutable_route());
    SetTimeouts(&rule, policy, protocol, route->mutable_route());
    SetRetries(&rule, policy, route->mutable_route());
    SetHashPolicy(policy, route->mutable_route());
  }
  AddHeaders(rule.request_headers, route->mutable_request_headers_to_add());
  AddHeaders(rule.response_headers, route->mutable_response_headers_to_add());
  for (const auto& name : rule.request_headers.remove) route->add_request_headers_to_remove(name);
  for (const auto& name : rule.response_headers.remove) route->add_response_headers_to_remove(name);
}

// Rules of the route, in the order in which they are tried.
std::vector<RuleMatch> OrderedRules(const policy::HttpRoute& route, const std::string& name) {
  std::vector<RuleMatch> rules;
  for (size_t i = 0; i < route.rules.size(); ++i) {
    for (size_t j = 0; j < route.rules[i].matches.size(); ++j) {
      rules.push_back({&route.rules[i], &route.rules[i].matches[j],
                       name + "[" + std::to_string(i) + "][" + std::to_string(j) + "]"});
    }
  }
  std::stable_sort(rules.begin(), rules.end(), GoesBefore);
  return rules;
}

void AddDirectRoute(const std::string& cluster, Protocol protocol,
                    const policy::ResiliencePolicy& policy, routev3::VirtualHost* host) {
  routev3::Route* route = host->add_routes();
  route->set_name("default");
  route->mutable_match()->set_prefix("/");
  route->mutable_route()->set_cluster(cluster);
  SetTimeouts(nullptr, policy, protocol, route->mutable_route());
  SetRetries(nullptr, policy, route->mutable_route());
  SetHashPolicy(policy, route->mutable_route());
}

// What becomes of a request to this port of the service.
void AddRoutesOf(const MeshView& view, const discovery::ServiceName& name,
                 const discovery::Service& service, uint32_t number, routev3::VirtualHost* host) {
  const Protocol protocol = service.ports.at(number).protocol;
  const policy::ResiliencePolicy& policy = OrNone(view.policies.ResilienceOf(name));
  const auto* document = view.policies.RouteOf(name, number);
  if (document == nullptr) {
    return AddDirectRoute(OutboundCluster(discovery::HostOf(name), number), protocol, policy, host);
  }
  const auto& route = std::get<policy::HttpRoute>(document->spec);
  for (const RuleMatch& rule : OrderedRules(route, document->key.ns + "/" + document->key.name)) {
    AddRule(rule, policy, protocol, host);
  }
}

// What the explicit listener routes by names.
struct NamedRoutes {
  const MeshView& view;
  const std::string& ns;        // of the nodes
  bool has_tunnels = false;     // also for CONNECT
  std::set<std::string> taken;  // the names of all services, which no policy may lead elsewhere
  routev3::RouteConfiguration configuration;
};

void AddDirectResponse(uint32_t status, const std::string& body, routev3::Route* route) {
  route->mutable_direct_response()->set_status(status);
  route->mutable_direct_response()->mutable_body()->set_inline_string(body);
}

// CONNECT to this virtual host: the payload goes to the cluster.
void AddTunnel(const std::string& cluster, routev3::VirtualHost* host) {
  routev3::Route* route = host->add_routes();
  route->set_name("tunnel");
  route->mutable_match()->mutable_connect_matcher();
  routev3::RouteAction* action = route->mutable_route();
  action->set_cluster(cluster);
  SetDuration(milliseconds(0), action->mutable_timeout());
  SetDuration(kTunnelIdleTimeout, action->mutable_idle_timeout());
  action->mutable_retry_policy()->set_retry_on("connect-failure");
  action->mutable_retry_policy()->mutable_num_retries()->set_value(kRetryAttempts);
  auto* upgrade = action->add_upgrade_configs();
  upgrade->set_upgrade_type("CONNECT");
  upgrade->mutable_connect_config();
}

// A port of bytes can be reached by a tunnel alone.
void AddBytesHost(const std::string& name, const std::string& cluster,
                  const std::vector<std::string>& domains, NamedRoutes* routes) {
  if (!routes->has_tunnels) return;
  routev3::VirtualHost* host = routes->configuration.add_virtual_hosts();
  host->set_name(name);
  for (const std::string& domain : domains) host->add_domains(domain);
  AddTunnel(cluster, host);
  routev3::Route* rest = host->add_routes();
  rest->set_name("not-http");
  rest->mutable_match()->set_prefix("/");
  AddDirectResponse(404,
                    "This port of the service is not an HTTP port. Reach it by CONNECT (curl -p), "
                    "or with --outbound-tcp of the sidecar.\n",
                    rest);
}

void AddServiceHost(const discovery::ServiceName& name, const discovery::Service& service,
                    uint32_t number, NamedRoutes* routes) {
  const std::string host_name = discovery::HostOf(name);
  const std::string cluster = OutboundCluster(host_name, number);
  const Protocol protocol = service.ports.at(number).protocol;
  const bool is_default = service.DefaultHttpPort() == number;
  std::vector<std::string> domains = DomainsOf(name, number, is_default, routes->ns);
  if (protocol == Protocol::kTcp)
    return AddBytesHost(VipRoutes(host_name, number), cluster, domains, routes);
  if (const policy::Document* document = routes->view.policies.RouteOf(name, number)) {
    const auto& route = std::get<policy::HttpRoute>(document->spec);
    const bool is_first_parent = route.parents[0].service == name;
    for (const std::string& extra : route.hostnames) {
      if (is_first_parent && !routes->taken.contains(extra)) {
        AddDomain(extra, number, is_default, &domains);
      }
    }
  }
  routev3::VirtualHost* host = routes->configuration.add_virtual_hosts();
  host->set_name(VipRoutes(host_name, number));
  AddRoutesOf(routes->view, name, service, number, host);
  if (routes->has_tunnels)
    AddTunnel(protocol == Protocol::kAuto ? BytesCluster(host_name, number) : cluster, host);
  for (const std::string& domain : domains) host->add_domains(domain);
}

void AddExternalHosts(const policy::ExternalService& external, NamedRoutes* routes) {
  bool is_first = true;
  for (const policy::ExternalPort& port : external.ports) {
    const bool is_http = port.protocol != Protocol::kTcp;
    const std::string host_name = external.hosts[0] + ":" + std::to_string(port.number);
    const std::string cluster = OutboundCluster(external.hosts[0], port.number);
    std::vector<std::string> domains;
    for (const std::string& name : external.hosts) {
      if (!routes->taken.contains(name))
        AddDomain(name, port.number, is_http && is_first, &domains);
    }
    if (!is_http) {
      AddBytesHost(host_name, cluster, domains, routes);
      continue;
    }
    routev3::VirtualHost* host = routes->configuration.add_virtual_hosts();
    host->set_name(host_name);
    for (const std::string& domain : domains) host->add_domains(domain);
    AddDirectRoute(cluster, port.protocol, OrNone(nullptr), host);
    if (routes->has_tunnels) AddTunnel(cluster, host);
    is_first = false;
  }
}

// Unknown hosts at the explicit listener: a program that uses it as its proxy gets an explanation
// of how to reach them.
void AddUnknownHost(NamedRoutes* routes) {
  routev3::VirtualHost* host = routes->configuration.add_virtual_hosts();
  host->set_name(kUnknownHost);
  host->add_domains("*");
  const auto add = [host]() {
    routev3::Route* route = host->add_routes();
    route->set_name(kUnknownHost);
    AddDirectResponse(
        404,
        "This host does not belong to a service of the mesh or to an ExternalService. Call it "
        "directly, without the sidecar (NO_PROXY, `tullectl run --no-proxy`), or describe it by an "
        "ExternalService with resolution: DNS.\n",
        route);
    return route->mutable_match();
  };
  add()->set_prefix("/");
  if (routes->has_tunnels) add()->mutable_connect_matcher();
}

// Envoy refuses a configuration that contains a domain twice: the first virtual host keeps it.
void DropRepeatedDomains(routev3::RouteConfiguration* configuration) {
  std::set<std::string> seen;
  for (routev3::VirtualHost& host : *configuration->mutable_virtual_hosts()) {
    auto* domains = host.mutable_domains();
    domains->erase(
        std::remove_if(domains->begin(), domains->end(),
                       [&](const std::string& domain) { return !seen.insert(domain).second; }),
        domains->end());
  }
  auto* hosts = configuration->mutable_virtual_hosts();
  hosts->erase(
      std::remove_if(hosts->begin(), hosts->end(),
                     [](const routev3::VirtualHost& host) { return host.domains().empty(); }),
      hosts->end());
}

}  // namespace

namespace {

// The routes of what was sent to one virtual address and port: one host, whatever its name.
template <typename Fill>
void AddVipRoute(const std::string& host, uint32_t port, ResourceTable* routes, Fill fill) {
  routev3::RouteConfiguration configuration;
  configuration.set_name(VipRoutes(host, port));
  configuration.mutable_validate_clusters()->set_value(false);
  routev3::VirtualHost* all = configuration.add_virtual_hosts();
  all->set_name(configuration.name());
  all->add_domains("*");
  fill(all);
  AddResource(configuration.name(), configuration, routes);
}

}  // namespace

void AddVipRoutesOf(const MeshView& view, const discovery::ServiceName& name,
                    const discovery::Service& service, ResourceTable* routes) {
  for (const auto& [number, port] : service.ports) {
    if (port.protocol == Protocol::kTcp) continue;
    AddVipRoute(discovery::HostOf(name), number, routes,
                [&, number = number](routev3::VirtualHost* host) {
                  AddRoutesOf(view, name, service, number, host);
                });
  }
}

void AddMemberRoute(const MeshView& view, const Member& member, routev3::VirtualHost* host) {
  AddDirectRoute(member.Cluster(), member.protocol,
                 OrNone(view.policies.ResilienceOf(member.service)), host);
}

void AddExternalVipRoutes(const MeshView& view, ResourceTable* routes) {
  for (const policy::ExternalService* external : view.ExternalServices()) {
    for (const policy::ExternalPort& port : external->ports) {
      if (port.protocol == Protocol::kTcp) continue;
      AddVipRoute(external->hosts[0], port.number, routes, [&](routev3::VirtualHost* host) {
        AddDirectRoute(OutboundCluster(external->hosts[0], port.number), port.protocol,
                       OrNone(nullptr), host);
      });
    }
  }
}

std::vector<NamedMatch> MatchesOf(const MeshView& view, const discovery::ServiceName& service,
                                  uint32_t port) {
  std::vector<NamedMatch> matches;
  const policy::Document* document = view.policies.RouteOf(service, port);
  if (document == nullptr) return matches;
  const auto& route = std::get<policy::HttpRoute>(document->spec);
  for (const RuleMatch& rule : OrderedRules(route, document->key.ns + "/" + document->key.name)) {
    matches.push_back({rule.name, {}});
    SetMatch(*rule.match, &matches.back().match);
  }
  return matches;
}

void AddOutboundRoutes(const MeshView& view, const std::string& ns, bool has_tunnels,
                       ResourceTable* routes) {
  NamedRoutes named{view, ns, has_tunnels};
  named.configuration.set_name(kOutboundHttp);
  named.configuration.mutable_validate_clusters()->set_value(false);
  for (const auto& [name, service] : view.services) {
    for (const std::string& each : NamesOf(name, ns)) named.taken.insert(each);
  }
  for (const auto& [name, service] : view.services) {
    for (const auto& [number, port] : service.ports) AddServiceHost(name, service, number, &named);
  }
  for (const policy::ExternalService* external : view.ExternalServices()) {
    AddExternalHosts(*external, &named);
  }
  AddUnknownHost(&named);
  DropRepeatedDomains(&named.configuration);
  AddResource(kOutboundHttp, named.configuration, routes);
}

}  // namespace tulle::snapshot
