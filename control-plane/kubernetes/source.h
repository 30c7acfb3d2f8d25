// A source of the mesh: the Services, EndpointSlices, pods and nodes of a Kubernetes cluster.
// Silent until all of them have been listed; then everything is reported in one step, and each
// change from then on. While the API server cannot be reached the mesh stays as it is.
//
// Owner: KubernetesLink. Thread: the loop's. Order: Start() once. Errors are logged, the same one
// once a minute, and tried again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/cluster_state.h"
#include "control-plane/kubernetes/feed.h"
#include "control-plane/kubernetes/names.h"
#include "control-plane/kubernetes/unmeshed_pods.h"
#include "k8s/api/client.h"
#include "k8s/api/reflector.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class Source {
 public:
  struct Events {
    std::function<void()> on_synced;  // everything is in the mesh
    // The namespace exists, and whether pods in it are injected; or it is gone.
    std::function<void(const std::string& ns, bool is_injected)> on_namespace;
    std::function<void(const std::string& uid)> on_pod_gone;  // it will not come back
    // It came, changed or went; before the mesh is told.
    std::function<void(const discovery::ServiceName&)> on_service;
  };
  // References outlive this.
  Source(loop::Loop& loop, k8s::Client& client, std::string trust_domain, discovery::MeshSink& mesh,
         telemetry::Log& log, Events events);
  ~Source();

  void Start();
  bool synced() const { return is_synced_; }
  const ServiceFacts* FindService(const discovery::ServiceName& name) const {
    return state_.FindService(name);
  }
  std::string LocalityOf(const std::string& node) const { return state_.LocalityOf(node); }
  // Pods of the control plane that are not ending.
  size_t replicas() const { return state_.EndpointsOf({kControlNamespace, kControlService}); }
  // How many pods have no sidecar and should have one, by namespace.
  std::map<std::string, size_t> PodsWithoutSidecar() const {
    return unmeshed_.Counts(
        [this](const std::string& address) { return state_.IsAddressOfNode(address); });
  }
  void ForEachMeshedPod(const std::function<void(const PodFacts&)>& visit) const {
    state_.ForEachMeshedPod(visit);
  }
  absl::Status CheckRegistration(const discovery::Workload& workload) const {
    return state_.CheckRegistration(workload);
  }

 private:
  using Put = std::function<void(const k8s::ObjectKey&, const k8s::Json&)>;
  using Remove = std::function<void(const k8s::ObjectKey&)>;

  void Add(const char* path, k8s::Form form, Put put, Remove remove);
  void SetNamespace(const std::string& ns, bool is_injected);
  void OnFeedSettled();
  void OnChange();

  loop::Loop& loop_;
  k8s::Client& client_;
  discovery::MeshSink& mesh_;
  telemetry::Log& log_;
  const Events events_;
  ClusterState state_;
  UnmeshedPods unmeshed_;
  bool is_synced_ = false;
  std::vector<std::unique_ptr<Feed>> feeds_;
};

}  // namespace tulle::kubernetes
