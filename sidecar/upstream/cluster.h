#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/breaker_observer.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/endpoint.h"
#include "sidecar/upstream/endpoint_groups.h"
#include "sidecar/upstream/pool_resources.h"

namespace tulle::upstream {

// A cluster at run time, on one worker: endpoints with their pools, balancing, limits. Kept over
// configuration changes under its name.
//
// Owner: the worker's table of clusters. Thread: the worker's. Users (requests, relays) hold it
// by Enter/Leave; a removed cluster is deleted when the last user has left.
class Cluster : public Deletable, private PoolEvents {
 public:
  // `breakers` null: nobody is told.
  Cluster(loop::Loop& loop, loop::Deadlines& deadlines, std::shared_ptr<const ClusterSpec> spec,
          std::shared_ptr<ClusterLimits> limits, std::shared_ptr<const Ring> ring = nullptr,
          BreakerObserver* breakers = nullptr);
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
  void MarkSent(Picked& picked) { picked.asked_at = resources_.loop.Now(); }
  // Reports the result of the attempt as soon as it is known; only the first report counts. `why`:
  // kNone if there was an answer. True: it has opened the endpoint's breaker.
  bool Report(Picked& picked, Outcome outcome, FailureKind why = FailureKind::kNone);
  // Call once for each Picked, when it is no longer used.
  void Leave(Picked& picked);

  // One request in flight. False: the limit is reached.
  bool TryEnterRequest() {
    return limits().requests.TryEnter(spec().caps.requests, limits().single_worker);
  }
  void LeaveRequest() { limits().requests.Leave(limits().single_worker); }
  // One retry in flight or in back-off: at most RetryCap().
  bool TryEnterRetry();
  void LeaveRetry() { limits().retries.Leave(limits().single_worker); }
  // A connection outside the pools. At the limit, the oldest idle connection is closed.
  bool TryEnterConnection() { return resources_.TryEnterConnection(); }
  void LeaveConnection() { resources_.budget.Leave(); }

  const ClusterSpec& spec() const { return *resources_.spec; }
  ClusterLimits& limits() const { return *resources_.limits; }
  const std::shared_ptr<const EndpointSet>& endpoint_set() const { return endpoint_set_; }
  const EndpointGroups& groups() const { return groups_; }
  template <typename Visit>
  void ForEachEndpoint(Visit visit) const {
    for (const auto& endpoint : endpoints_) visit(*endpoint);
  }
  // For status pages. Not on the data path.
  std::vector<const Endpoint*> Endpoints() const;

  // Number of users that hold this cluster; the table deletes it when there are none.
  uint32_t users = 0;

 private:
  void OnConnectionsFreed() override;

  void Rebuild();
  std::unique_ptr<Endpoint> NewEndpoint(const EndpointSpec& spec,
                                        std::shared_ptr<SharedEndpoint> shared);
  void RevalidatePeers();
  // Valid until the end of the turn, whatever is retired and dropped meanwhile.
  std::vector<Endpoint*> AllEndpoints();
  void RebuildGroups(loop::Instant now);
  bool ReportToBreaker(Endpoint& endpoint, Breaker::Pass pass, Outcome outcome, FailureKind why);
  bool MayOpenAnother() const;
  void Retire(std::unique_ptr<Endpoint> endpoint);
  // Of the retired ones.
  void DropUnused();
  // Lets the pools that were refused a connection try again.
  void ServeWaitingPools();

  PoolResources resources_;
  BreakerObserver* const breakers_;
  std::shared_ptr<const EndpointSet> endpoint_set_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;  // sorted by address
  std::vector<std::unique_ptr<Endpoint>> retired_;
  std::vector<Endpoint*> in_order_;  // as the set has them
  EndpointGroups groups_;
  std::shared_ptr<const Ring> ring_;
  uint32_t seen_changes_ = 0;
};

}  // namespace tulle::upstream
