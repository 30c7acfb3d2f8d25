// What a cluster's API has told, put together: Services become declared services, pods and other
// endpoints become workloads. A change costs what it touches: the workloads of the EndpointSlice,
// Service, pod or node that has changed. Pure.
//
// A workload's id is its pod's uid. A pod that was injected is a workload even if no Service
// selects it. An endpoint whose pod has not been seen is left out: it would be taken for one
// without a sidecar. An endpoint that was written by hand, without a pod, is that of the meshed pod
// of its namespace that has this address; otherwise it is a workload without a sidecar. Until
// Publish() nothing is written to the mesh.
//
// Whoever may write EndpointSlices of a namespace chooses any uid and any address. With a uid they
// say that a pod serves a Service, and are believed of pods of the same namespace; where the pod
// is they do not say: its address is its podIP, which only its kubelet writes. Otherwise calls of
// the whole mesh to an address of others would expect the identity of the liar's pod, and fail.
// For the same reason no pod is meshed at the address of a node: pods with hostNetwork share it.
//
// Owner: Source. Thread: the loop's. After one or more changes the owner calls
// MeshSink::OnChange().
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/objects.h"
#include "control-plane/kubernetes/slice_index.h"

namespace tulle::kubernetes {

class ClusterState {
 public:
  // `mesh` outlives this.
  ClusterState(std::string trust_domain, discovery::MeshSink& mesh)
      : trust_domain_(std::move(trust_domain)), mesh_(mesh) {}

  void PutService(const ObjectKey& key, const Json& service);
  void RemoveService(const ObjectKey& key);
  void PutSlice(const ObjectKey& key, const Json& slice);
  void RemoveSlice(const ObjectKey& key);
  void PutPod(const ObjectKey& key, const Json& row);  // of the Table of pods
  // The pod's uid; empty: it was not known.
  std::string RemovePod(const ObjectKey& key);
  void PutNode(const ObjectKey& key, const Json& row);  // of the Table of nodes
  void RemoveNode(const ObjectKey& key);

  // Everything that is known so far, and each change from now on.
  void Publish();

  // Whether a workload may register as well. Not under the id of a pod, which every sidecar that
  // calls the pod learns, and not as an endpoint of the cluster's Services, past their selectors.
  absl::Status CheckRegistration(const discovery::Workload& workload) const;
  // Null: it is not known, or the mesh has nothing to do with it.
  const ServiceFacts* FindService(const ServiceName& name) const;
  // REGION/ZONE of a node; empty: it has no zone.
  std::string LocalityOf(const std::string& node) const;
  void ForEachMeshedPod(const std::function<void(const PodFacts&)>& visit) const;
  // Pods and others that the EndpointSlices of a Service name, ready or not.
  size_t EndpointsOf(const ServiceName& service) const;
  bool IsAddressOfNode(const std::string& address) const { return nodes_at_.contains(address); }
  size_t pods() const { return pods_.size(); }
  size_t services() const { return services_.size(); }

 private:
  using Ids = SliceIndex::Ids;
  using Place = std::pair<std::string, std::string>;  // a namespace, and an address in it

  void SetService(const ObjectKey& key, std::optional<ServiceFacts> facts);
  void SetNode(const std::string& node, NodeFacts facts);
  bool IsMeshed(const PodFacts& pod) const;
  // Uids of the meshed pods there; null: there is none.
  const Ids* MeshedAt(const std::string& ns, const std::string& address) const;
  // Pods at this address in all namespaces, and what was written by hand for it.
  void AddAllAt(const std::string& address, Ids* ids) const;
  void SetPod(const std::string& uid, std::optional<PodFacts> facts);
  void AddThoseAt(const PodFacts& pod, Ids* ids) const;
  void Update(SliceIndex::Touched touched, const std::string& ns);
  void Update(const Ids& workloads);
  std::optional<discovery::Workload> Build(const std::string& id) const;
  std::optional<discovery::Workload> BuildPod(const PodFacts& pod) const;
  std::optional<discovery::Workload> BuildByHand(const std::string& id) const;
  void Serve(const PodFacts& pod, const std::vector<SliceIndex::Mention>& own,
             discovery::Workload* workload) const;
  std::string LocalityOf(const EndpointFacts& endpoint) const;

  const std::string trust_domain_;
  discovery::MeshSink& mesh_;
  bool is_published_ = false;
  std::map<ObjectKey, ServiceFacts> services_;
  SliceIndex slices_;
  std::map<std::string, PodFacts> pods_;   // by uid
  std::map<ObjectKey, std::string> uids_;  // of pods, by name
  std::map<Place, Ids> labelled_at_;       // uids of pods that say that they are meshed
  std::map<std::string, NodeFacts> nodes_;
  std::map<std::string, Ids> nodes_at_;  // by address, names
  std::set<std::string> reported_;       // workloads that the mesh has
};

}  // namespace tulle::kubernetes
