#pragma once

#include "net/loop/loop.h"
#include "net/loop/sim/fault_plan.h"

namespace tulle::sim {

// The path between two hosts (or within one): how long segments take and when it is cut. Owner: the
// network.
class Link {
 public:
  Link(const FaultPlan& plan, bool loopback, uint64_t seed);

  // For one segment.
  loop::Duration DrawLatency();
  // Cuts the link from `now` on.
  void Cut(loop::Instant now, loop::Duration length);
  // When a segment that arrives at `now` gets through: `now`, or the end of the partition.
  loop::Instant PassableAt(loop::Instant now);

 private:
  void PlanNextCut(loop::Instant after);

  const FaultPlan& plan_;
  const bool loopback_;
  loop::Random random_;
  loop::Duration base_;
  loop::Instant cut_from_ = loop::Instant::max();
  loop::Instant cut_until_ = loop::Instant::max();
};

// True with `probability`. Draws nothing for 0, so that a disabled fault changes no other draw.
bool Roll(loop::Random& random, double probability);
// Uniform in [0, limit].
loop::Duration DrawUpTo(loop::Random& random, loop::Duration limit);

}  // namespace tulle::sim
