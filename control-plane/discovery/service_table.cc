#include "control-plane/discovery/service_table.h"

#include <algorithm>
#include <tuple>

namespace tulle::discovery {
namespace {

void AddWorkload(const Workload& workload, const ServiceName& name, bool is_declared,
                 Service* service) {
  if (!workload.spiffe_id.empty()) service->identities.insert(workload.spiffe_id);
  ForEachServed(workload, [&](const ServiceName& served, uint32_t number, uint32_t dialled,
                              Protocol protocol, bool is_skipped) {
    if (served != name) return;
    // Unless the port is declared, the first workload in order of ids decides on its protocol.
    ServicePort& port = service->ports.try_emplace(number, ServicePort{protocol, {}}).first->second;
    // One that takes bytes would not understand what a caller makes of HTTP.
    if (is_declared && protocol == Protocol::kTcp) port.protocol = protocol;
    port.endpoints.push_back(
        {workload.address, dialled, &workload, workload.is_meshed && !is_skipped});
  });
}

void SortEndpoints(ServicePort* port) {
  const auto place = [](const Endpoint& endpoint) {
    return std::tie(endpoint.address, endpoint.port);
  };
  std::stable_sort(port->endpoints.begin(), port->endpoints.end(),
                   [&](const Endpoint& a, const Endpoint& b) { return place(a) < place(b); });
  // Of two instances with one address the first in order of ids has it.
  port->endpoints.erase(
      std::unique(port->endpoints.begin(), port->endpoints.end(),
                  [&](const Endpoint& a, const Endpoint& b) { return place(a) == place(b); }),
      port->endpoints.end());
}

// A service that is only named gets clusters without endpoints: a route must not name an unknown
// cluster.
void AddNamedByRoute(const policy::Document& document, const ServiceName& name, Service* service) {
  const policy::Route& route = *policy::RouteIn(document);
  const Protocol protocol =
      document.key.kind == policy::Kind::kGrpcRoute ? Protocol::kGrpc : Protocol::kHttp;
  std::set<uint32_t> ports;
  for (const policy::RouteRule& rule : route.rules) {
    for (const policy::BackendRef& backend : rule.backends) {
      ports.insert(backend.port);
      if (backend.service != name || !backend.invalid.empty()) continue;
      service->ports.try_emplace(backend.port, ServicePort{protocol, {}});
    }
  }
  for (const policy::ParentRef& parent : route.parents) {
    // Of a Service of another namespace a route cannot say what ports it has.
    if (parent.service != name || name.ns != document.key.ns) continue;
    if (parent.port) {
      service->ports.try_emplace(*parent.port, ServicePort{protocol, {}});
    } else if (service->ports.empty()) {
      for (const uint32_t port : ports) service->ports[port] = {protocol, {}};
    }
  }
}

}  // namespace

std::set<ServiceName> ServicesNamedBy(const policy::Route& route) {
  std::set<ServiceName> names;
  for (const policy::ParentRef& parent : route.parents) names.insert(parent.service);
  for (const policy::RouteRule& rule : route.rules) {
    for (const policy::BackendRef& backend : rule.backends) {
      if (backend.invalid.empty()) names.insert(backend.service);
    }
  }
  return names;
}

std::string HostOf(const ServiceName& service) {
  return service.name + "." + service.ns + std::string(kServiceSuffix);
}

uint32_t Service::DefaultHttpPort() const {
  uint32_t lowest = 0;
  for (const auto& [number, port] : ports) {
    if (port.protocol == Protocol::kTcp) continue;
    if (number == 80) return number;
    if (lowest == 0) lowest = number;
  }
  return lowest;
}

Service BuildService(const ServiceName& name, const ServiceParts& parts) {
  Service service;
  if (parts.declared != nullptr) {
    for (const auto& [number, protocol] : parts.declared->ports) {
      service.ports.emplace(number, ServicePort{protocol, {}});
    }
  }
  for (const Workload* workload : parts.servers) {
    AddWorkload(*workload, name, parts.declared != nullptr, &service);
  }
  for (const policy::Document* route : parts.routes) AddNamedByRoute(*route, name, &service);
  for (const Workload* workload : parts.callers) {
    for (const TcpOutbound& tcp : workload->outbound.tcp) {
      if (tcp.service != name) continue;
      service.ports.try_emplace(tcp.service_port, ServicePort{Protocol::kTcp, {}});
    }
  }
  for (auto& [number, port] : service.ports) SortEndpoints(&port);
  return service;
}

ServiceTable BuildServiceTable(const Mesh& mesh) {
  std::map<ServiceName, ServiceParts> all;
  for (const auto& [name, declared] : mesh.declared) all[name].declared = &declared;
  for (const auto& [id, workload] : mesh.workloads) {
    for (const ServiceName& name : workload.services) all[name].servers.push_back(&workload);
    std::set<ServiceName> called;
    for (const TcpOutbound& tcp : workload.outbound.tcp) called.insert(tcp.service);
    for (const ServiceName& name : called) all[name].callers.push_back(&workload);
  }
  for (const auto& [key, document] : mesh.policies.documents()) {
    const policy::Route* route = policy::RouteIn(*document);
    if (route == nullptr) continue;
    for (const ServiceName& name : ServicesNamedBy(*route))
      all[name].routes.push_back(document.get());
  }
  ServiceTable table;
  for (const auto& [name, parts] : all) table.emplace(name, BuildService(name, parts));
  return table;
}

}  // namespace tulle::discovery
