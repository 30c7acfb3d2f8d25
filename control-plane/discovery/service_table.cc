#include "control-plane/discovery/service_table.h"

#include <algorithm>
#include <tuple>

namespace tulle::discovery {
namespace {

void AddWorkload(const Workload& workload, ServiceTable* table) {
  for (const ServiceName& name : workload.services) {
    Service& service = (*table)[name];
    if (!workload.spiffe_id.empty()) service.identities.insert(workload.spiffe_id);
    for (const InboundPort& inbound : workload.inbound) {
      // Workloads come in order of their ids: the first to name a port declares its protocol.
      ServicePort& port =
          service.ports.try_emplace(inbound.service_port, ServicePort{inbound.protocol, {}})
              .first->second;
      const uint32_t dialled =
          inbound.dialled_port == 0 ? inbound.listen_port : inbound.dialled_port;
      port.endpoints.push_back(
          {workload.address, dialled, &workload, workload.is_meshed && !inbound.is_skipped});
    }
  }
}

void SortEndpoints(ServicePort* port) {
  const auto place = [](const Endpoint& endpoint) {
    return std::tie(endpoint.address, endpoint.port);
  };
  std::stable_sort(port->endpoints.begin(), port->endpoints.end(),
                   [&](const Endpoint& a, const Endpoint& b) { return place(a) < place(b); });
  // Two instances that claim one address: the first in order of ids holds it.
  port->endpoints.erase(
      std::unique(port->endpoints.begin(), port->endpoints.end(),
                  [&](const Endpoint& a, const Endpoint& b) { return place(a) == place(b); }),
      port->endpoints.end());
}

// Services that are only spoken of get clusters without endpoints: a route must not name an unknown
// cluster.
void AddNamedByRoutes(const policy::HttpRoute& route, ServiceTable* table) {
  std::set<uint32_t> ports;
  for (const policy::HttpRouteRule& rule : route.rules) {
    for (const policy::BackendRef& backend : rule.backends) {
      (*table)[backend.service].ports.try_emplace(backend.port, ServicePort{Protocol::kHttp, {}});
      ports.insert(backend.port);
    }
  }
  for (const policy::ParentRef& parent : route.parents) {
    Service& service = (*table)[parent.service];
    if (parent.port) {
      service.ports.try_emplace(*parent.port, ServicePort{Protocol::kHttp, {}});
    } else if (service.ports.empty()) {
      for (const uint32_t port : ports) service.ports[port] = {Protocol::kHttp, {}};
    }
  }
}

}  // namespace

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

ServiceTable BuildServiceTable(const Mesh& mesh) {
  ServiceTable table;
  for (const auto& [id, workload] : mesh.workloads) AddWorkload(workload, &table);
  for (const auto& [key, document] : mesh.policies.documents()) {
    if (const auto* route = std::get_if<policy::HttpRoute>(&document->spec)) {
      AddNamedByRoutes(*route, &table);
    }
  }
  for (const auto& [id, workload] : mesh.workloads) {
    for (const TcpOutbound& tcp : workload.outbound.tcp) {
      table[tcp.service].ports.try_emplace(tcp.service_port, ServicePort{Protocol::kTcp, {}});
    }
  }
  for (auto& [name, service] : table) {
    for (auto& [number, port] : service.ports) SortEndpoints(&port);
  }
  return table;
}

}  // namespace tulle::discovery
