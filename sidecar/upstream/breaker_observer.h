#pragma once

#include "net/base/failure.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// Told of circuit breakers. Outlives the clusters. Thread: the worker's.
class BreakerObserver {
 public:
  virtual ~BreakerObserver() = default;
  // The breaker of an endpoint has opened, or its trial has failed. `why`: kNone if there was an
  // answer.
  virtual void OnBreakerOpened(const ClusterSpec&, FailureKind) {}
};

}  // namespace tulle::upstream
