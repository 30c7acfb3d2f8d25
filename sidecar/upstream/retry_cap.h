#pragma once

#include <algorithm>
#include <cstdint>

#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// How many retries of a cluster may be in flight or in back-off. Envoy's rule: max_retries, or with
// a retry budget max(minimum, percent of active + pending). Any thread.
inline uint32_t RetryCap(const Caps& caps, const ClusterLimits& limits) {
  if (!caps.has_retry_budget) return caps.retries;
  const double active = limits.requests.count() + limits.pending.count();
  return std::max(caps.budget_minimum, static_cast<uint32_t>(active * caps.budget_percent / 100));
}

}  // namespace tulle::upstream
