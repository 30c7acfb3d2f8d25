#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/endpoint.h"
#include "sidecar/upstream/endpoint_groups.h"

namespace tulle::upstream {

// A cluster at run time, on one worker: endpoints with their pools, balancing, limits. Kept over
// configuration changes under its name.
//
// Owner: the worker's table of clusters. Thread: the worker's. Users (requests, relays) hold it
// by Enter/Leave; a removed cluster is deleted when the last user has left.
class Cluster : public Deletable {
 public:
  Cluster(loop::Loop& loop, loop::Deadlines& deadlines, std::shared_ptr<const ClusterSpec> spec,
          std::shared_ptr<ClusterLimits> limits, std::shared_ptr<const Ring> ring = nullptr);
  ~Cluster() override;

  // A new version. Connections stay open if pool_key is unchanged and the new roots and names
  // accept their peer.
  void Update(std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<const Ring> ring = nullptr);
  // `ring`: the hash ring of these endpoints, if they are hashed; null: it is built here.
  void SetEndpoints(std::shared_ptr<const EndpointSet> endpoints,
                    std::shared_ptr<const Ring> ring = nullptr);
  bool has_endpoints() const { return endpoint_set_ != nullptr; }

  struct Picked : Choice {
    loop::Instant asked_at{};  // start of the latency measurement
    bool reported = false;
  };
  // Without an endpoint: *failure gives the reason.
  Picked Pick(const PickCriteria& criteria, Failure* failure);
  Picked Pick(std::span<Endpoint* const> tried, uint32_t attempts, Failure* failure) {
    return Pick(PickCriteria{std::nullopt, tried, attempts}, failure);
  }
  // For a cluster that connects to the downstream's original destination.
  Picked PickAt(const SocketAddress& destination, Failure* failure);
  // The request is being sent now.
  void MarkSent(Picked& picked) { picked.asked_at = loop_.Now(); }
  // Reports the result of the attempt as soon as it is known; only the first report counts.
  void Report(Picked& picked, Outcome outcome);
  // Call once for each Picked, when it is no longer used.
  void Leave(Picked& picked);

  // One request in flight. False: the limit is reached.
  bool TryEnterRequest() {
    return limits_->requests.TryEnter(spec_->caps.requests, limits_->single_worker);
  }
  void LeaveRequest() { limits_->requests.Leave(limits_->single_worker); }
  // One retry in flight or in back-off. Envoy's rule: at most max_retries, or with a budget
  // max(minimum, percent of active + pending).
  bool TryEnterRetry();
  void LeaveRetry() { limits_->retries.Leave(limits_->single_worker); }
  bool TryEnterPending() {
    return limits_->pending.TryEnter(spec_->caps.pending_requests, limits_->single_worker);
  }
  void LeavePending() { limits_->pending.Leave(limits_->single_worker); }
  // At the limit, the oldest idle connection of another endpoint is closed.
  bool TryEnterConnection();
  void LeaveConnection();

  void OnConnectionIdle(PooledConnection& connection);
  // A pool has served its own waiters: remaining idle connections may make room for other
  // endpoints.
  void OnPoolServed() {
    if (idle_.empty()) return;
    if (starved_) ServeWaitingPools();
    TrimIdle();
  }
  void OnConnectionGone(Endpoint& endpoint);

  const ClusterSpec& spec() const { return *spec_; }
  const ClusterLimits& limits() const { return *limits_; }
  const std::shared_ptr<const EndpointSet>& endpoint_set() const { return endpoint_set_; }
  loop::Loop& loop() { return loop_; }
  loop::Deadlines& deadlines() { return deadlines_; }
  const EndpointGroups& groups() const { return groups_; }
  // For status pages. Not on the data path.
  std::vector<const Endpoint*> Endpoints() const;

  // Number of users that hold this cluster; the table deletes it when there are none.
  uint32_t users = 0;

 private:
  void Rebuild();
  void RevalidatePeers();
  // Valid until the end of the turn, whatever is retired and dropped meanwhile.
  std::vector<Endpoint*> AllEndpoints();
  void RebuildGroups(loop::Instant now);
  void ReportToBreaker(Endpoint& endpoint, Breaker::Pass pass, Outcome outcome);
  bool MayOpenAnother() const;
  void Retire(std::unique_ptr<Endpoint> endpoint);
  void DropIfUnused(Endpoint& endpoint);
  void CloseIdle();
  void TrimIdle();
  // Lets the pools that had reached the limit try again.
  void ServeWaitingPools();
  uint32_t connection_cap() const;

  loop::Loop& loop_;
  loop::Deadlines& deadlines_;
  std::shared_ptr<const ClusterSpec> spec_;
  std::shared_ptr<ClusterLimits> limits_;
  std::shared_ptr<const EndpointSet> endpoint_set_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;  // sorted by address
  std::vector<std::unique_ptr<Endpoint>> retired_;
  std::vector<Endpoint*> in_order_;  // as the set has them
  EndpointGroups groups_;
  std::shared_ptr<const Ring> ring_;
  uint32_t seen_changes_ = 0;
  IntrusiveList<PooledConnection, Cluster> idle_;  // oldest first
  std::unique_ptr<loop::Timer> idle_timer_;
  uint32_t connections_ = 0;
  bool starved_ = false;
};

}  // namespace tulle::upstream
