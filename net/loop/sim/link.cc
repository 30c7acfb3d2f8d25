#include "net/loop/sim/link.h"

#include <algorithm>

namespace tulle::sim {

bool Roll(loop::Random& random, double probability) {
  if (probability <= 0) return false;
  return static_cast<double>(random.Next() >> 11) * 0x1p-53 < probability;
}

loop::Duration DrawUpTo(loop::Random& random, loop::Duration limit) {
  if (limit <= loop::Duration::zero()) return loop::Duration::zero();
  return loop::Duration(random.Below(static_cast<uint64_t>(limit.count()) + 1));
}

Link::Link(const FaultPlan& plan, bool loopback, uint64_t seed)
    : plan_(plan), loopback_(loopback), random_(seed) {
  base_ = loopback ? plan.loopback_latency
                   : plan.minimum_latency +
                         DrawUpTo(random_, plan.maximum_latency - plan.minimum_latency);
  if (!loopback && plan.partition_interval > loop::Duration::zero()) PlanNextCut(loop::Instant());
}

void Link::PlanNextCut(loop::Instant after) {
  if (plan_.partition_interval <= loop::Duration::zero()) {
    cut_from_ = cut_until_ = loop::Instant::max();
    return;
  }
  cut_from_ = after + DrawUpTo(random_, 2 * plan_.partition_interval);
  cut_until_ = cut_from_ + DrawUpTo(random_, plan_.maximum_partition);
}

loop::Duration Link::DrawLatency() {
  loop::Duration latency = base_ + DrawUpTo(random_, base_ / 4);
  if (Roll(random_, plan_.delay)) latency += DrawUpTo(random_, plan_.maximum_delay);
  return latency;
}

void Link::Cut(loop::Instant now, loop::Duration length) {
  if (loopback_) return;
  cut_from_ = now;
  cut_until_ = now + length;
}

loop::Instant Link::PassableAt(loop::Instant now) {
  while (now >= cut_until_) PlanNextCut(cut_until_);
  return now < cut_from_ ? now : cut_until_ + base_;
}

}  // namespace tulle::sim
