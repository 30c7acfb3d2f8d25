// The mesh and its services, kept up to date change by change: what a change costs depends on what
// it touches, not on the size of the mesh. Equal at any moment to a Mesh with the same content and
// its BuildServiceTable().
//
// Owner: the control plane. Thread: the loop's. Order: any changes, then TakeChanges(), which
// brings services() up to date; between the two services() must not be read.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/policy_layers.h"
#include "control-plane/discovery/service_table.h"

namespace tulle::discovery {

// What has to be derived anew.
struct MeshChanges {
  // Whole: ports, identities or policies too. Listeners: only those of its virtual address.
  // Consumer routes: only those of other namespaces for it. Both say nothing about the service.
  enum class Scope { kEndpoints, kListeners, kConsumerRoutes, kWhole };

  std::map<ServiceName, Scope> services;
  std::set<std::string> workloads;       // ids of those whose own configuration has changed
  std::map<std::string, Workload> gone;  // by id, as they were
  bool routes = false;                   // what the routes of several services are made of
  bool policies = false;                 // any
  bool external_services = false;
  bool collectors = false;
  bool trust_bundle = false;
};

// What covers both.
constexpr MeshChanges::Scope operator|(MeshChanges::Scope a, MeshChanges::Scope b) {
  return a == b ? a : MeshChanges::Scope::kWhole;
}

class LiveMesh final {
 public:
  LiveMesh(std::string trust_domain, std::string access_log_file);

  void PutWorkload(Workload workload);
  // An id that is unknown changes nothing.
  void RemoveWorkload(const std::string& id);
  void PutService(const ServiceName& name, DeclaredService service);
  void RemoveService(const ServiceName& name);
  void ChangePolicies(const PolicyChanges& changes);
  // These and no others.
  void SetPolicies(const policy::PolicySet& policies) {
    ChangePolicies(DifferenceOf(mesh_.policies, policies));
  }
  void SetTrustBundle(const std::string& pem, const std::string& revocations_pem = "");
  // By host; declared services keep the address that their source says.
  void SetVips(const std::map<std::string, std::string>& assigned);

  const Mesh& mesh() const { return mesh_; }
  const ServiceTable& services() const { return services_; }
  // The hosts that may have a virtual address: of services that a workload serves or a route names
  // (one that only a caller names would give each caller a say), and of ExternalServices. Not those
  // of declared services, whose source assigns addresses.
  std::set<std::string> Hosts() const;
  // Some came or went since the last call of TakeChanges().
  bool has_new_hosts() const { return has_new_hosts_; }
  // Since the last call.
  MeshChanges TakeChanges();

 private:
  using Ids = std::set<std::string>;

  void Index(const Workload& workload);
  void Unindex(const Workload& workload);
  void Touch(const ServiceName& service, MeshChanges::Scope scope);
  void TouchPolicy(const policy::Document& document);
  // `ns`: of the route.
  void TouchRoute(const policy::Route& route, const std::string& ns);
  void TouchBackend(const policy::BackendRef& backend, const std::string& ns);
  bool HasPort(const ServiceName& service, uint32_t port) const;
  void TouchResilience(const ServiceName& service);
  void TouchTarget(const policy::Target& target);
  void TouchServersOf(const ServiceName& service);
  void TouchCallersOf(const ServiceName& service);
  void IndexRoute(const policy::Document& document, bool is_added);
  void Rebuild(const ServiceName& name, MeshChanges::Scope* scope);
  ServiceParts PartsOf(const ServiceName& name) const;

  Mesh mesh_;
  ServiceTable services_;
  std::map<ServiceName, Ids> servers_;  // ids of workloads that serve it
  std::map<ServiceName, Ids> callers_;  // ids of workloads with a TCP listener for it
  std::map<ServiceName, std::set<policy::DocumentKey>> routes_;  // that name it
  MeshChanges changes_;
  bool has_new_hosts_ = false;
};

}  // namespace tulle::discovery
