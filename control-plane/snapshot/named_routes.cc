// The routes of explicit HTTP listeners: one virtual host for each HTTP port of a service, found by
// its names.

#include <algorithm>

#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/own_error.h"
#include "control-plane/snapshot/route_limits.h"
#include "control-plane/snapshot/routes.h"
#include "control-plane/snapshot/wire.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

using policy::Protocol;
using std::chrono::milliseconds;

// As long as that of a relayed connection.
constexpr milliseconds kTunnelIdleTimeout{3600000};

// The configuration of one namespace while it is built.
struct NamedRoutes {
  const MeshView& view;
  const std::string& ns;          // of the nodes
  std::set<std::string> taken{};  // the names of all services, which no policy may lead elsewhere
  routev3::RouteConfiguration configuration{};
};

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

// A tcp port can be reached by a tunnel only.
void AddBytesHost(const std::string& name, const std::string& cluster,
                  const std::vector<std::string>& domains, NamedRoutes* routes) {
  routev3::VirtualHost* host = routes->configuration.add_virtual_hosts();
  host->set_name(name);
  for (const std::string& domain : domains) host->add_domains(domain);
  AddTunnel(cluster, host);
  routev3::Route* rest = host->add_routes();
  rest->set_name("not-http");
  rest->mutable_match()->set_prefix("/");
  SetOwnError({404, "not_http_port",
               "This port of the service is not an HTTP port. Reach it by CONNECT (curl -p), "
               "or with --outbound-tcp of the sidecar.\n"},
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
  for (const policy::Document* document :
       routes->view.policies.RoutesOf(name, number, routes->ns)) {
    const policy::Route& route = *policy::RouteIn(*document);
    const bool is_first_parent = route.parents[0].service == name;
    for (const std::string& extra : route.hostnames) {
      if (is_first_parent && !routes->taken.contains(extra)) {
        AddDomain(extra, number, is_default, &domains);
      }
    }
  }
  routev3::VirtualHost* host = routes->configuration.add_virtual_hosts();
  host->set_name(VipRoutes(host_name, number));
  AddRoutesOf(routes->view, name, service, number, routes->ns, host);
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
    AddTunnel(cluster, host);
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
    SetOwnError(
        {404, "unknown_host",
         "This host does not belong to a service of the mesh or to an ExternalService. Call it "
         "directly, without the sidecar (NO_PROXY, `tullectl run --no-proxy`), or describe it by "
         "an ExternalService with resolution: DNS.\n"},
        route);
    return route->mutable_match();
  };
  add()->set_prefix("/");
  add()->mutable_connect_matcher();
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

void AddOutboundRoutes(const MeshView& view, const std::string& ns, ResourceTable* routes) {
  NamedRoutes named{view, ns};
  named.configuration.set_name(kOutboundHttp);
  SetOptions(&named.configuration);
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
