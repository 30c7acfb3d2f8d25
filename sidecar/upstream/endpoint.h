#pragma once

#include <memory>
#include <utility>

#include "net/base/intrusive_list.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/connection_pool.h"
#include "sidecar/upstream/endpoint_peer.h"
#include "sidecar/upstream/latency.h"
#include "sidecar/upstream/shared_endpoints.h"

namespace tulle::upstream {

// A connection to an endpoint outside the pools: a TCP relay's. Owner: the relay.
class DirectConnection : public ListNode<DirectConnection> {
 public:
  virtual ~DirectConnection() = default;
  virtual const Transport& upstream() const = 0;
  // After a change of roots, names or the endpoint's identity the peer is no longer accepted: end
  // now. May unlink itself, but no other.
  virtual void OnPeerRefused() = 0;
};

// Whether an endpoint may be used. kUnhealthy: configured or checked as unhealthy.
enum class Availability : uint8_t { kAvailable, kBreakerOpen, kUnhealthy, kDraining };

// One endpoint of a cluster at run time, on one worker: its pools and its state for balancing. Kept
// over configuration changes as long as its address stays. Owner: Cluster. Thread: the worker's.
class Endpoint : public Deletable {
 public:
  // `resources` and `cluster` are for its pools.
  Endpoint(PoolResources& resources, PoolEvents& cluster, const EndpointSpec& spec,
           const TransportSocketSpec& socket, std::shared_ptr<SharedEndpoint> shared)
      : resources_(resources), cluster_(cluster), peer_(spec, socket), shared_(std::move(shared)) {}

  const EndpointSpec& spec() const { return peer_.spec(); }
  const TransportSocketSpec& socket() const { return peer_.socket(); }
  Breaker& breaker() const { return shared_->breaker; }
  void SetOpenedBy(FailureKind why) { shared_->opened_by.store(why, std::memory_order_relaxed); }
  Availability AvailabilityIn(const ClusterSpec& cluster) const;

  // Slow start begins each time it becomes healthy.
  void NoteHealth(bool healthy, loop::Instant now);
  bool StartsSlowly(const ClusterSpec& cluster, loop::Instant now) const {
    return cluster.slow_start.window.count() > 0 && now < SlowStartEnd(cluster);
  }
  loop::Instant SlowStartEnd(const ClusterSpec& cluster) const {
    return healthy_since_ + cluster.slow_start.window;
  }
  // Its weight factor during slow start: up to 1.
  double SlowStartShare(const ClusterSpec& cluster, loop::Instant now) const;
  // Call RevalidatePeers afterwards.
  void Update(const EndpointSpec& spec, const TransportSocketSpec& socket) {
    peer_.Update(spec, socket);
  }

  // Whether a connection whose transport has just become ready may be used. `dialled_by`: the value
  // of socket().tls when it was dialled, which may have changed since.
  bool Admits(const Transport& transport, const tls::SecureConnector* dialled_by) const {
    return peer_.Admits(resources_.loop, transport, dialled_by);
  }
  // Closes the connections whose peer is no longer accepted. Idle ones at once; those with requests
  // end with these and take no new ones; direct ones are notified.
  void RevalidatePeers(tls::PeerRevalidation& revalidation);
  IntrusiveList<DirectConnection>& direct() { return direct_; }

  ConnectionPool& Pool(HttpVersion version) {
    std::unique_ptr<ConnectionPool>& pool = pools_[version == HttpVersion::k2];
    if (pool == nullptr)
      pool = std::make_unique<ConnectionPool>(resources_, cluster_, peer_, version);
    return *pool;
  }
  template <typename Visit>
  void ForEachPool(Visit visit) {
    for (auto& pool : pools_) {
      if (pool != nullptr) visit(*pool);
    }
  }

  // Users of this endpoint: requests in flight and TCP relays. Compared by least request.
  uint32_t active = 0;
  Latency latency;

  bool unused() const {
    return active == 0 && (!pools_[0] || pools_[0]->empty()) && (!pools_[1] || pools_[1]->empty());
  }

 private:
  PoolResources& resources_;
  PoolEvents& cluster_;
  EndpointPeer peer_;
  IntrusiveList<DirectConnection> direct_;
  bool healthy_ = false;
  loop::Instant healthy_since_{};
  const std::shared_ptr<SharedEndpoint> shared_;
  std::unique_ptr<ConnectionPool> pools_[2];
};

}  // namespace tulle::upstream
