// What the mesh is built from. A source knows workloads, services, policies, or several of these,
// and writes into one MeshSink, which is the mesh. Today there are four: the registry reports the
// workloads that have registered (server::RegistrySource), a Kubernetes cluster's API tells of
// pods, Services and routes (kubernetes::KubernetesLink), the control plane reports the policies of
// its store (server::ControlPlane), and simulations report workloads by a script
// (tests/simulation).
//
// What a source must report: everything it knows when it starts, then each change, in the order of
// the events. After one or more changes it calls OnChange(): what was written takes effect then. A
// workload is always reported as a whole, even if only its health has changed; it belongs to the
// source that reported it, and ids are unique across all sources. The same holds for declared
// services and their names. Policies have two owners: the store reports its own as a complete set,
// a cluster reports one by one. Both may have a policy of the same kind, namespace and name; then
// the cluster's is in force.
//
// A source that is not fully synced reports nothing: it collects its first listing until that is
// complete and reports it in one step. While it is disconnected it reports nothing; after that it
// reports the difference, including removals. What no source has reported does not exist, and
// clients are told to drop it. So a source must report its first listing before
// MeshBuilder::Start(), as the registry does with what it restores. Where it cannot, because it
// reads from the network, no sidecar is served until it is synced (ControlPlane::is_synced). A
// source that joins later, as those of simulations do, only adds.
//
// Thread: the loop's. Errors: none, a source passes on only what it has validated.
#pragma once

#include <memory>
#include <string>

#include "control-plane/discovery/mesh.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::discovery {

class MeshSink {
 public:
  virtual ~MeshSink() = default;
  virtual void PutWorkload(Workload workload) = 0;
  // An id that is unknown changes nothing.
  virtual void RemoveWorkload(const std::string& id) = 0;
  // A service is known with these ports and this address even if no workload serves it.
  virtual void PutService(const ServiceName& name, DeclaredService service) = 0;
  virtual void RemoveService(const ServiceName& name) = 0;
  // Those of the store: these and no others.
  virtual void SetPolicies(policy::PolicySet policies) = 0;
  // Of a cluster.
  virtual void PutPolicy(std::shared_ptr<const policy::Document> policy) = 0;
  // A key that is unknown changes nothing.
  virtual void RemovePolicy(const policy::DocumentKey& key) = 0;
  // What was written since the last call takes effect. Several calls may be served at once.
  virtual void OnChange() = 0;
};

}  // namespace tulle::discovery
