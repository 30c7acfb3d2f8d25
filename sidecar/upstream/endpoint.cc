#include "sidecar/upstream/endpoint.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "net/tls/peer_revalidation.h"

namespace tulle::upstream {

Availability Endpoint::AvailabilityIn(const ClusterSpec& cluster) const {
  if (spec().health == EndpointHealth::kDraining) return Availability::kDraining;
  if (spec().health != EndpointHealth::kHealthy) return Availability::kUnhealthy;
  if (!cluster.health_checks.empty() && spec().health_checked &&
      shared_->checked.load(std::memory_order_acquire) == CheckedHealth::kBad) {
    return Availability::kUnhealthy;
  }
  if (cluster.breaker && breaker().state() != BreakerState::kClosed)
    return Availability::kBreakerOpen;
  return Availability::kAvailable;
}

void Endpoint::NoteHealth(bool healthy, loop::Instant now) {
  if (healthy && !healthy_) healthy_since_ = now;
  healthy_ = healthy;
}

// Source: SlowStartConfig.
double Endpoint::SlowStartShare(const ClusterSpec& cluster, loop::Instant now) const {
  if (!StartsSlowly(cluster, now)) return 1;
  const SlowStart& slow = cluster.slow_start;
  using Seconds = std::chrono::duration<double>;
  const double passed = std::max(Seconds(now - healthy_since_).count(), 1.0);
  const double share = std::pow(passed / Seconds(slow.window).count(), 1 / slow.aggression);
  return std::clamp(share, slow.min_weight_percent / 100.0, 1.0);
}

void Endpoint::RevalidatePeers(tls::PeerRevalidation& revalidation) {
  if (!peer_.TakeNarrowed(revalidation)) return;
  ForEachPool([&](ConnectionPool& pool) { pool.RevalidatePeers(revalidation); });
  direct_.ForEach([&](DirectConnection& connection) {
    if (!peer_.Passes(connection.upstream(), revalidation)) connection.OnPeerRefused();
  });
}

}  // namespace tulle::upstream
