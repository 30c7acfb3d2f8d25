#include "sidecar/upstream/health_checks.h"

#include <algorithm>
#include <utility>

namespace tulle::upstream {

EndpointCheck::EndpointCheck(ProbeTarget target, std::shared_ptr<ClusterLimits> limits)
    : target_(std::move(target)),
      limits_(std::move(limits)),
      shared_(limits_->endpoints.For(target_.endpoint.address)),
      probe_(NewHealthProbe(target_, [this](bool good) { OnAnswer(good); })) {
  timer_ = target_.loop.NewTimer([this] { asking_ ? OnAnswer(false) : Ask(); });
  timer_->Start(loop::Duration(0));
}

void EndpointCheck::Ask() {
  asking_ = true;
  timer_->Start(target_.check().timeout);
  probe_->Ask();
}

void EndpointCheck::OnAnswer(bool good) {
  if (!std::exchange(asking_, false)) return;
  if (!good) probe_->GiveUp();
  Count(good);
  timer_->Start(Wait());
}

void EndpointCheck::Count(bool good) {
  const CheckedHealth said = good ? CheckedHealth::kGood : CheckedHealth::kBad;
  const CheckedHealth believed = shared_->checked.load(std::memory_order_relaxed);
  if (said == believed) {
    run_ = 0;
    return;
  }
  const HealthCheckSpec& check = target_.check();
  const uint32_t needed = good ? check.healthy_threshold : check.unhealthy_threshold;
  if (believed != CheckedHealth::kNotYet && ++run_ < needed) return;
  run_ = 0;
  shared_->checked.store(said, std::memory_order_release);
  limits_->changes.fetch_add(1, std::memory_order_acq_rel);
}

loop::Duration EndpointCheck::Wait() {
  const HealthCheckSpec& check = target_.check();
  loop::Duration wait = check.interval;
  if (shared_->checked.load(std::memory_order_relaxed) == CheckedHealth::kBad) {
    if (check.unhealthy_interval.count() > 0) wait = check.unhealthy_interval;
  } else if (!limits_->used.load(std::memory_order_relaxed)) {
    wait = check.no_traffic_interval;
  }
  loop::Random& random = target_.loop.random();
  const loop::Duration jitter =
      loop::Duration(check.jitter) + wait * static_cast<int64_t>(check.jitter_percent) / 100;
  return wait + loop::Duration(
                    static_cast<int64_t>(random.Below(static_cast<uint64_t>(jitter.count()) + 1)));
}

void HealthChecks::Put(std::shared_ptr<const ClusterSpec> cluster,
                       std::shared_ptr<const EndpointSet> endpoints,
                       std::shared_ptr<ClusterLimits> limits) {
  Checked& checked = clusters_[cluster->name];
  if (checked.cluster == cluster && checked.endpoints == endpoints) return;
  std::vector<std::unique_ptr<EndpointCheck>> before = std::exchange(checked.checks, {});
  if (checked.cluster != cluster) before.clear();
  for (const EndpointSpec& endpoint : endpoints->endpoints) {
    if (!endpoint.health_checked) continue;
    const auto same = std::find_if(before.begin(), before.end(), [&](const auto& one) {
      return one != nullptr && one->endpoint() == endpoint;
    });
    if (same != before.end()) {
      checked.checks.push_back(std::move(*same));
    } else {
      checked.checks.push_back(std::make_unique<EndpointCheck>(
          ProbeTarget{loop_, deadlines_, cluster, endpoint}, limits));
    }
  }
  checked.cluster = std::move(cluster);
  checked.endpoints = std::move(endpoints);
}

void HealthChecks::Keep(const std::set<std::string>& clusters) {
  std::erase_if(clusters_, [&](const auto& one) { return !clusters.contains(one.first); });
}

}  // namespace tulle::upstream
