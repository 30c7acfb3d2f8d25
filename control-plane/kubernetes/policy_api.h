// The policies of our own kinds in a cluster (custom resources of tulle.dev), and their status.
// Nothing is in the mesh until the cluster serves all of the kinds and all policies are listed:
// without them the mesh could allow what they forbid, and an API server that has just started does
// not know yet what it serves. A kind that is deleted while we run is given up.
//
// Owner: KubernetesLink. Thread: the loop's. Order: Start(), Publish() once. Errors are logged and
// tried again.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/cluster_policies.h"
#include "control-plane/kubernetes/policy_feeds.h"
#include "control-plane/kubernetes/problem_log.h"
#include "control-plane/kubernetes/served_resources.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class PolicyApi {
 public:
  struct Parts {
    std::string mesh_namespace;  // whose policies may be for the whole mesh
    FindService find_service;
    std::function<bool()> is_leader;   // of several control planes: it writes status
    std::function<void()> on_settled;  // all are listed; may be told again
  };
  // References outlive this.
  PolicyApi(loop::Loop& loop, k8s::Client& client, discovery::MeshSink& mesh, telemetry::Log& log,
            Parts parts);

  void Start() { resources_.Start(); }
  bool settled() const { return is_complete_ && feeds_.all_synced(); }
  // REQUIRES: settled(). The Services are known.
  void Publish() { feeds_.Publish(); }
  // A Service came, changed or went.
  void OnService(const ServiceName& service);
  // This replica leads now.
  void WriteStatus() { feeds_.WriteStatus(); }
  // Whether policies of this kind come from the API server.
  bool Serves(policy::Kind kind) const { return feeds_.Serves(kind); }
  // Those that are not accepted, as KIND NAMESPACE/NAME, and why.
  std::map<std::string, std::string> Refused() const { return policies_.Refused(); }

 private:
  void OnResources(const std::set<std::string>& names);
  void Watch(const policy::KindEntry& entry);
  void OnSettled();
  std::optional<k8s::Request> StatusRequest(const policy::DocumentKey& key) const;

  loop::Loop& loop_;
  ProblemLog problems_;
  const Parts parts_;
  ClusterPolicies policies_;
  PolicyFeeds feeds_;
  ServedResources resources_;
  bool is_complete_ = false;  // the cluster has served all kinds
};

}  // namespace tulle::kubernetes
