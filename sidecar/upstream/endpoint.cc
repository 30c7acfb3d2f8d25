#include "sidecar/upstream/endpoint.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "net/tls/second_judgement.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::upstream {

void Endpoint::Update(const EndpointSpec& spec, const TransportSocketSpec& socket) {
  identity_changed_ |= !spec.spiffe_id.empty() && spec.spiffe_id != spec_.spiffe_id;
  spec_ = spec;
  socket_ = &socket;
}

Standing Endpoint::StandingBy(const ClusterSpec& cluster) const {
  if (spec_.health == EndpointHealth::kDraining) return Standing::kLeaving;
  if (spec_.health != EndpointHealth::kHealthy) return Standing::kOut;
  if (!cluster.health_checks.empty() && spec_.health_checked &&
      shared_->checked.load(std::memory_order_acquire) == CheckedHealth::kBad) {
    return Standing::kOut;
  }
  if (cluster.breaker && breaker().state() != BreakerState::kClosed) return Standing::kBreakerOpen;
  return Standing::kUsable;
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

bool Endpoint::Passes(const Transport& transport, tls::SecondJudgement& judgement) const {
  return HasExpectedIdentity(spec_, transport) &&
         (socket_->tls == nullptr || judgement.Passes(transport, socket_->tls->terms()));
}

bool Endpoint::Admits(const Transport& transport, const tls::SecureConnector* dialled_by) const {
  if (socket_->tls.get() == dialled_by) return HasExpectedIdentity(spec_, transport);
  tls::SecondJudgement judgement(cluster_.loop());
  return Passes(transport, judgement);
}

void Endpoint::JudgePeers(tls::SecondJudgement& judgement) {
  const std::shared_ptr<const tls::SecureConnector> before =
      std::exchange(judged_by_, socket_->tls);
  const bool other_identity = std::exchange(identity_changed_, false);
  const bool widened =
      judged_by_ == before || judged_by_ == nullptr ||
      (before != nullptr && judgement.Widens(before->terms(), judged_by_->terms()));
  if (widened && !other_identity) return;
  for (auto& pool : pools_) {
    if (pool != nullptr) pool->JudgePeers(judgement);
  }
  direct_.ForEach([&](DirectConnection& connection) {
    if (!Passes(connection.upstream(), judgement)) connection.OnPeerRefused();
  });
}

}  // namespace tulle::upstream
