// The services of a mesh, derived from its workloads and from the policies that name services.
// Pure; any thread. The table points into the Mesh: it must not outlive it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"

namespace tulle::discovery {

struct Endpoint {
  std::string address;
  uint32_t port = 0;
  const Workload* workload = nullptr;
  bool is_meshed = true;  // a sidecar answers there
};

struct ServicePort {
  Protocol protocol = Protocol::kTcp;
  std::vector<Endpoint> endpoints;  // ordered by address and port, each once
};

struct Service {
  std::map<uint32_t, ServicePort> ports;
  std::set<std::string> identities;  // SPIFFE IDs of all its workloads, healthy or not

  // The port that a name without port means among those that speak HTTP: 80, else the lowest; 0:
  // none does.
  uint32_t DefaultHttpPort() const;
};

using ServiceTable = std::map<ServiceName, Service>;

// What one service is derived from, in the order of the mesh: workloads by id, routes by key.
struct ServiceParts {
  std::vector<const Workload*> servers;         // they serve it
  std::vector<const policy::Document*> routes;  // they name it
  std::vector<const Workload*> callers;         // they have a TCP listener for it
  const DeclaredService* declared = nullptr;    // null: no source declares it

  // There is no such service.
  bool empty() const {
    return servers.empty() && routes.empty() && callers.empty() && declared == nullptr;
  }
};

// As parents or as backends.
std::set<ServiceName> ServicesNamedBy(const policy::Route& route);
Service BuildService(const ServiceName& name, const ServiceParts& parts);
// All services, from the whole mesh.
ServiceTable BuildServiceTable(const Mesh& mesh);

}  // namespace tulle::discovery
