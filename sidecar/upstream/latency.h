#pragma once

#include <algorithm>
#include <cmath>

#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// An endpoint's response latency as measured by one worker: jumps up to slower values, decays with
// time. Owner: Endpoint. Thread: the worker's. Source: peak EWMA of Finagle and Linkerd.
class Latency {
 public:
  // The minimum that an error or a rate-limited response counts for, so that failing fast does not
  // attract requests.
  static constexpr loop::Duration kPenalty = std::chrono::seconds(5);

  // Seconds, at `now`.
  double At(loop::Instant now, const PeakEwmaSpec& spec) const {
    if (seen_ == loop::Instant{}) return Seconds(spec.first_rtt);
    return estimate_ * Remains(now, spec);
  }

  void Observe(loop::Duration rtt, loop::Instant now, const PeakEwmaSpec& spec) {
    const double before = seen_ == loop::Instant{} ? Seconds(spec.first_rtt) : estimate_;
    const double kept = seen_ == loop::Instant{} ? 1 : Remains(now, spec);
    const double sample = Seconds(rtt);
    estimate_ = sample > before * kept ? sample : before * kept + sample * (1 - kept);
    seen_ = now;
  }

 private:
  template <typename Time>
  static double Seconds(Time time) {
    return std::chrono::duration<double>(time).count();
  }
  double Remains(loop::Instant now, const PeakEwmaSpec& spec) const {
    return std::exp(-Seconds(now - seen_) / std::max(Seconds(spec.decay), 1e-3));
  }

  double estimate_ = 0;
  loop::Instant seen_{};
};

}  // namespace tulle::upstream
