// The control plane's connection to a Kubernetes cluster: the source of the mesh, routes, reviews
// of tokens, and the roots for pods and for the API server's calls of the webhook, over one client.
// Owner: ControlServer. Thread: the loop's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "control-plane/discovery/cluster_facts.h"
#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/bundle_keeper.h"
#include "control-plane/kubernetes/gateway_api.h"
#include "control-plane/kubernetes/leader_lease.h"
#include "control-plane/kubernetes/policy_api.h"
#include "control-plane/kubernetes/problem_log.h"
#include "control-plane/kubernetes/roots_freshness.h"
#include "control-plane/kubernetes/roots_publisher.h"
#include "control-plane/kubernetes/roots_secret.h"
#include "control-plane/kubernetes/rotation_statements.h"
#include "control-plane/kubernetes/source.h"
#include "control-plane/kubernetes/token_reviews.h"
#include "k8s/api/client.h"
#include "k8s/api/cluster.h"
#include "k8s/api/dialer.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class KubernetesLink final : public discovery::ClusterFacts {
 public:
  struct Events {
    std::function<void()> on_synced;  // the cluster is in the mesh; once
    std::function<void(const std::string& uid)> on_pod_gone;
    std::function<void()> on_freshness;  // has_current_roots() or is_cut_off() is another one
  };
  // References outlive this.
  KubernetesLink(loop::Loop& loop, const tls::SecureTransports& transports,
                 const k8s::Cluster& cluster, const std::string& trust_domain,
                 discovery::MeshSink& mesh, telemetry::Log& log, Events events);

  // Before Start(). There may be other replicas: the roots are those of the Secret from now on
  // (`roots` is what it had), and the replicas elect a leader. `replica`: the name of this one.
  void JoinReplicas(const std::string& replica, const std::string& roots,
                    RootsSecret::OnRoots on_roots);
  // Before the end of the process: see LeaderLease.
  void Release(std::function<void()> done) {
    lease_ == nullptr ? done() : lease_->Release(std::move(done));
  }
  // Whether this replica may write what all share. Alone, it always may.
  bool is_leader() const { return lease_ == nullptr || lease_->is_leader(); }
  uint64_t leader_changes() const { return lease_ == nullptr ? 0 : lease_->changes(); }
  // See RootsFreshness. Alone, a replica is never cut off.
  bool has_current_roots() const { return freshness_ == nullptr || freshness_->is_current(); }
  bool is_cut_off() const { return freshness_ != nullptr && freshness_->is_cut_off(); }
  uint64_t times_cut_off() const { return freshness_ == nullptr ? 0 : freshness_->times_cut_off(); }
  // REQUIRES: JoinReplicas().
  RotationStatements& statements() { return *statements_; }
  // False: the pods are not known yet. `visit` may be null.
  bool ForEachMeshedPod(const std::function<void(const PodFacts&)>& visit) const {
    if (is_synced_ && visit) source_.ForEachMeshedPod(visit);
    return is_synced_;
  }
  // Whether the roots in the Secret can be used, as far as they are shared.
  bool has_valid_roots() const { return secret_ == nullptr || secret_->is_valid(); }
  // See RootsSecret::Write().
  void ProposeRoots(const std::string& roots) { secret_->Write(roots); }
  void Start();
  void SetRoots(const std::string& pem);
  // Whether the API server trusts the webhook that injects pods, as far as there is one. Without
  // the one for policies nothing waits.
  bool is_injection_settled() const { return injection_.was_settled(); }
  absl::Status CheckRegistration(const discovery::Workload& workload) const {
    return source_.CheckRegistration(workload);
  }
  std::string LocalityOf(const std::string& node) const { return source_.LocalityOf(node); }
  TokenReviews& reviews() { return reviews_; }
  // Of callers of the REST API.
  TokenReviews& api_reviews() { return api_reviews_; }
  bool Serves(policy::Kind kind) const override {
    return gateway_.Serves(kind) || policies_.Serves(kind);
  }
  std::map<std::string, std::string> RefusedPolicies() const override;
  std::map<std::string, std::string> UnresolvedRoutes() const override {
    return gateway_.Unresolved();
  }
  std::map<std::string, size_t> PodsWithoutSidecar() const override {
    return source_.PodsWithoutSidecar();
  }
  size_t replicas() const override { return source_.replicas(); }

 private:
  void OnSynced();

  loop::Loop& loop_;
  telemetry::Log& log_;
  const Events events_;
  ProblemLog problems_;
  k8s::Dialer dialer_;
  k8s::Client client_;
  TokenReviews reviews_;
  TokenReviews api_reviews_;
  RootsPublisher roots_;
  BundleKeeper injection_;
  BundleKeeper validation_;
  // Null: there are no other replicas.
  std::unique_ptr<RootsSecret> secret_;
  std::unique_ptr<RootsFreshness> freshness_;
  std::unique_ptr<LeaderLease> lease_;
  std::unique_ptr<RotationStatements> statements_;
  Source source_;
  GatewayApi gateway_;
  PolicyApi policies_;
  bool is_synced_ = false;
};

}  // namespace tulle::kubernetes
