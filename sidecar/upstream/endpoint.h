#pragma once

#include <memory>
#include <utility>

#include "net/base/intrusive_list.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/connection_pool.h"
#include "sidecar/upstream/latency.h"
#include "sidecar/upstream/shared_endpoints.h"

namespace tulle::tls {
class SecondJudgement;
}

namespace tulle::upstream {

// A connection to an endpoint that no pool holds: a TCP relay's. Owner: the relay.
class DirectConnection : public ListNode<DirectConnection> {
 public:
  virtual ~DirectConnection() = default;
  virtual const Transport& upstream() const = 0;
  // Roots, names or the endpoint's identity have changed, and the peer is no more who it should be:
  // end now. May unlink itself, and no other.
  virtual void OnPeerRefused() = 0;
};

// What may be asked of an endpoint. kOut: configured or checked as unhealthy. kLeaving: draining.
enum class Standing : uint8_t { kUsable, kBreakerOpen, kOut, kLeaving };

// One endpoint of a cluster at run time, on one worker: its pools and what balancing looks at. Kept
// over configuration changes as long as its address stays. Owner: Cluster. Thread: the worker's.
class Endpoint : public Deletable {
 public:
  Endpoint(Cluster& cluster, const EndpointSpec& spec, const TransportSocketSpec& socket,
           std::shared_ptr<SharedEndpoint> shared)
      : cluster_(cluster),
        spec_(spec),
        socket_(&socket),
        judged_by_(socket.tls),
        shared_(std::move(shared)) {}

  const EndpointSpec& spec() const { return spec_; }
  const TransportSocketSpec& socket() const { return *socket_; }
  Breaker& breaker() const { return shared_->breaker; }
  Standing StandingBy(const ClusterSpec& cluster) const;

  // Each time it becomes healthy its slow start begins.
  void NoteHealth(bool healthy, loop::Instant now);
  bool StartsSlowly(const ClusterSpec& cluster, loop::Instant now) const {
    return cluster.slow_start.window.count() > 0 && now < SlowStartEnd(cluster);
  }
  loop::Instant SlowStartEnd(const ClusterSpec& cluster) const {
    return healthy_since_ + cluster.slow_start.window;
  }
  // What its weight counts for meanwhile: up to 1.
  double SlowStartShare(const ClusterSpec& cluster, loop::Instant now) const;
  // JudgePeers is due afterwards.
  void Update(const EndpointSpec& spec, const TransportSocketSpec& socket);

  // Whether a connection may be used whose transport has just become ready; `dialled_by`: what
  // socket().tls was when it was dialled, which may have changed meanwhile.
  bool Admits(const Transport& transport, const tls::SecureConnector* dialled_by) const;
  // Closes the connections whose peer no longer passes. Idle ones at once; those with requests end
  // with these and take no new ones; direct ones are told.
  void JudgePeers(tls::SecondJudgement& judgement);
  bool Passes(const Transport& transport, tls::SecondJudgement& judgement) const;
  IntrusiveList<DirectConnection>& direct() { return direct_; }

  ConnectionPool& Pool(HttpVersion version) {
    std::unique_ptr<ConnectionPool>& pool = pools_[version == HttpVersion::k2];
    if (pool == nullptr) pool = std::make_unique<ConnectionPool>(cluster_, *this, version);
    return *pool;
  }
  template <typename Visit>
  void ForEachPool(Visit visit) {
    for (auto& pool : pools_) {
      if (pool != nullptr) visit(*pool);
    }
  }

  // Users of this endpoint: requests in flight and TCP relays. What least request compares.
  uint32_t active = 0;
  Latency latency;

  bool unused() const {
    return active == 0 && (!pools_[0] || pools_[0]->empty()) && (!pools_[1] || pools_[1]->empty());
  }

 private:
  Cluster& cluster_;
  EndpointSpec spec_;
  const TransportSocketSpec* socket_;  // in the cluster's spec
  // All open connections pass by its terms, and had the expected identity.
  std::shared_ptr<const tls::SecureConnector> judged_by_;
  bool identity_changed_ = false;
  IntrusiveList<DirectConnection> direct_;
  bool healthy_ = false;
  loop::Instant healthy_since_{};
  const std::shared_ptr<SharedEndpoint> shared_;
  std::unique_ptr<ConnectionPool> pools_[2];
};

}  // namespace tulle::upstream
