#include "control-plane/snapshot/routes.h"

#include "control-plane/policy/route_order.h"
#include "control-plane/snapshot/balancing.h"
#include "control-plane/snapshot/limits.h"
#include "control-plane/snapshot/members.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/owners.h"
#include "control-plane/snapshot/route_limits.h"
#include "control-plane/snapshot/route_match.h"
#include "control-plane/snapshot/route_rule.h"
#include "control-plane/snapshot/wire.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

using policy::Protocol;

routev3::Route* LastOf(routev3::VirtualHost* host) {
  return host->mutable_routes(host->routes_size() - 1);
}

// Routes of one virtual address and port: one virtual host, whatever name was asked for.
template <typename Fill>
void AddVipRoute(const std::string& host, uint32_t port, ResourceTable* routes, Fill fill) {
  routev3::RouteConfiguration configuration;
  configuration.set_name(VipRoutes(host, port));
  SetOptions(&configuration);
  routev3::VirtualHost* all = configuration.add_virtual_hosts();
  all->set_name(configuration.name());
  all->add_domains("*");
  fill(all);
  AddResource(configuration.name(), configuration, routes);
}

}  // namespace

void SetOptions(routev3::RouteConfiguration* configuration) {
  configuration->mutable_validate_clusters()->set_value(false);
  // The filters of a backend win over those of its rule.
  configuration->set_most_specific_header_mutations_wins(true);
}

const policy::ResiliencePolicy& OrNone(const policy::ResiliencePolicy* policy) {
  static const policy::ResiliencePolicy kNone;
  return policy == nullptr ? kNone : *policy;
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

void AddRoutesOf(const MeshView& view, const discovery::ServiceName& name,
                 const discovery::Service& service, uint32_t number, const std::string& from,
                 routev3::VirtualHost* host) {
  const Protocol protocol = service.ports.at(number).protocol;
  const policy::ResiliencePolicy& policy = OrNone(view.policies.ResilienceOf(name));
  const policy::Document* source = view.policies.ResilienceSourceOf(name);
  const std::vector<const policy::Document*> routes = view.policies.RoutesOf(name, number, from);
  if (routes.empty()) {
    AddDirectRoute(OutboundCluster(discovery::HostOf(name), number), protocol, policy, host);
    return SetRouteOwners(nullptr, source, LastOf(host));
  }
  for (const policy::RankedMatch& match : policy::InOrder(routes)) {
    AddRule(match, policy, protocol, host);
    SetRouteOwners(&match, source, LastOf(host));
  }
}

void AddVipRoutesOf(const MeshView& view, const discovery::ServiceName& name,
                    const discovery::Service& service, const std::string& from,
                    ResourceTable* routes) {
  for (const auto& [number, port] : service.ports) {
    if (port.protocol == Protocol::kTcp) continue;
    AddVipRoute(discovery::HostOf(name), number, routes,
                [&, number = number](routev3::VirtualHost* host) {
                  AddRoutesOf(view, name, service, number, from, host);
                });
  }
}

void AddMemberRoute(const MeshView& view, const Member& member, routev3::VirtualHost* host) {
  AddDirectRoute(member.Cluster(), member.protocol,
                 OrNone(view.policies.ResilienceOf(member.service)), host);
  SetRouteOwners(nullptr, view.policies.ResilienceSourceOf(member.service), LastOf(host));
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
  for (const policy::RankedMatch& each : policy::InOrder(view.policies.RoutesOf(service, port))) {
    matches.push_back({each.Name(), {}});
    SetMatch(*each.match, &matches.back().match);
  }
  return matches;
}

}  // namespace tulle::snapshot
