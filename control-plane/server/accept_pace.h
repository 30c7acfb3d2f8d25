// How fast sidecars may connect. After a restart of the control plane all come at once, and each
// costs a handshake and its first configuration: without a bound heartbeats, the API and those who
// are already connected would wait for the last of them. The others wait in the listen backlog,
// which holds what is accepted in 4 s: clients give up after 10 s, and a longer queue would hand
// out connections that are given up. Who does not fit is asked by the kernel to try again.
// A token bucket that is filled when looked at. Pure. Owner: the listener's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "net/loop/loop.h"

namespace tulle::server {

class AcceptPace {
 public:
  static constexpr int kPerSecond = 400;
  static constexpr int kBurst = 100;
  static constexpr int kBacklog = 4 * kPerSecond;
  // How long to pause when no connection may be accepted.
  static constexpr loop::Duration kPause = std::chrono::milliseconds(25);

  // A connection was accepted. False: pause before the next.
  bool Take(loop::Instant now) {
    if (last_) {
      const double seconds = std::chrono::duration<double>(now - *last_).count();
      tokens_ = std::min<double>(kBurst, tokens_ + std::max(0.0, seconds) * kPerSecond);
    }
    last_ = now;
    tokens_ -= 1;
    if (tokens_ >= 1) return true;
    ++pauses_;
    return false;
  }
  uint64_t pauses() const { return pauses_; }

 private:
  double tokens_ = kBurst;
  std::optional<loop::Instant> last_;
  uint64_t pauses_ = 0;
};

}  // namespace tulle::server
