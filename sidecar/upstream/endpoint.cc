#include "sidecar/upstream/endpoint.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "net/tls/peer_revalidation.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::upstream {

void Endpoint::Update(const EndpointSpec& spec, const TransportSocketSpec& socket) {
  identity_changed_ |= !spec.spiffe_id.empty() && spec.spiffe_id != spec_.spiffe_id;
  spec_ = spec;
  socket_ = &socket;
}

Availability Endpoint::AvailabilityIn(const ClusterSpec& cluster) const {
  if (spec_.health == EndpointHealth::kDraining) return Availability::kDraining;
  if (spec_.health != EndpointHealth::kHealthy) return Availability::kUnhealthy;
  if (!cluster.health_checks.empty() && spec_.health_checked &&
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

bool Endpoint::Passes(const Transport& transport, tls::PeerRevalidation& revalidation) const {
  return HasExpectedIdentity(spec_, transport) &&
         (socket_->tls == nullptr || revalidation.Passes(transport, socket_->tls->requirements()));
}

bool Endpoint::Admits(const Transport& transport, const tls::SecureConnector* dialled_by) const {
  if (socket_->tls.get() == dialled_by) return HasExpectedIdentity(spec_, transport);
  tls::PeerRevalidation revalidation(cluster_.loop());
  return Passes(transport, revalidation);
}

void Endpoint::RevalidatePeers(tls::PeerRevalidation& revalidation) {
  const std::shared_ptr<const tls::SecureConnector> before =
      std::exchange(verified_by_, socket_->tls);
  const bool other_identity = std::exchange(identity_changed_, false);
  const bool widened = verified_by_ == before || verified_by_ == nullptr ||
                       (before != nullptr &&
                        revalidation.Widens(before->requirements(), verified_by_->requirements()));
  if (widened && !other_identity) return;
  for (auto& pool : pools_) {
    if (pool != nullptr) pool->RevalidatePeers(revalidation);
  }
  direct_.ForEach([&](DirectConnection& connection) {
    if (!Passes(connection.upstream(), revalidation)) connection.OnPeerRefused();
  });
}

}  // namespace tulle::upstream
