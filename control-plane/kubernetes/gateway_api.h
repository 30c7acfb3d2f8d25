// The routes of the API server as policies of the mesh, and their status. The cluster may have
// HTTPRoutes, GRPCRoutes and ReferenceGrants, some of them or none; those that are installed later
// are found then. Nothing is in the mesh until all that the cluster has are listed, or refused, and
// the owner has said that the Services are known.
//
// Owner: KubernetesLink. Thread: the loop's. Order: Start(), Publish() once. Errors are logged and
// tried again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/policy_feeds.h"
#include "control-plane/kubernetes/route_book.h"
#include "control-plane/kubernetes/served_resources.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class GatewayApi {
 public:
  struct Parts {
    FindService find_service;
    std::function<bool()> is_leader;   // of several control planes: it writes status
    std::function<void()> on_settled;  // all that the cluster has are listed; may be told again
  };
  // References outlive this.
  GatewayApi(loop::Loop& loop, k8s::Client& client, discovery::MeshSink& mesh, telemetry::Log& log,
             Parts parts);

  void Start();
  bool settled() const { return v1_ && v1beta1_ && feeds_.all_settled(); }
  // REQUIRES: settled(). The Services are known.
  void Publish() { feeds_.Publish(); }
  // A Service came, changed or went.
  void OnService(const ServiceName& service);
  // This replica may have become the leader.
  void WriteStatus() { feeds_.WriteStatus(); }
  // Routes that are not in force for a parent, as KIND NAMESPACE/NAME, and why.
  std::map<std::string, std::string> Refused() const { return book_.Failing("Accepted"); }
  // Those with a backend that cannot be used, and why.
  std::map<std::string, std::string> Unresolved() const { return book_.Failing("ResolvedRefs"); }
  // Whether policies of this kind come from the API server.
  bool Serves(policy::Kind kind) const { return feeds_.Serves(kind); }

 private:
  using Names = std::set<std::string>;

  void OnResources();
  void WatchRoutes(policy::Kind kind);
  void WatchGrants();
  void OnSettled();
  std::optional<k8s::Request> StatusRequest(const policy::DocumentKey& key) const;

  loop::Loop& loop_;
  telemetry::Log& log_;
  const Parts parts_;
  RouteBook book_;
  PolicyFeeds feeds_;
  std::optional<Names> v1_, v1beta1_;  // absent: not known yet
  ServedResources v1_resources_, v1beta1_resources_;
  bool has_said_absent_ = false;
};

}  // namespace tulle::kubernetes
