#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "net/loop/loop.h"

namespace tulle::xds {

// How fast one stream may ask for listeners that do not exist: a workload that scans addresses must
// not keep the control plane busy. A token bucket that is filled when looked at. Pure. Owner: a
// session.
class MissBudget {
 public:
  static constexpr double kBurst = 500;
  static constexpr double kPerSecond = 100;

  // How many of `wanted` may be answered now.
  size_t Take(size_t wanted, loop::Instant now) {
    if (last_.has_value()) {
      const double seconds = std::chrono::duration<double>(now - *last_).count();
      tokens_ = std::min(kBurst, tokens_ + std::max(0.0, seconds) * kPerSecond);
    }
    last_ = now;
    const size_t taken = std::min(wanted, static_cast<size_t>(tokens_));
    tokens_ -= static_cast<double>(taken);
    is_short_ = taken < wanted;
    return taken;
  }
  // When some more may be, if some had to wait.
  std::optional<loop::Instant> Deadline() const {
    if (!is_short_) return std::nullopt;
    return *last_ + std::chrono::milliseconds(100);
  }

 private:
  double tokens_ = kBurst;
  std::optional<loop::Instant> last_;
  bool is_short_ = false;
};

}  // namespace tulle::xds
