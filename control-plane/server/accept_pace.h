// How fast sidecars may connect. After a restart of the control plane all come at once, and each
// costs a handshake and its first configuration: without a bound heartbeats, the API and those who
// are already connected would wait for the last of them. The others wait in a queue
// (accept_queue.h) before their handshakes begin. A token bucket that is filled when looked at. Its
// rate follows what the machine can do: it rises while the loop comes back from pauses in time, and
// falls when it is late, since then others wait too. Pure. Owner: the listener's. Order:
// OnResumed() after each Take() that returned false.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/loop/loop.h"

namespace tulle::server {

class AcceptPace {
 public:
  static constexpr int kLeastPerSecond = 400;
  static constexpr int kMostPerSecond = 1200;
  static constexpr int kBurst = 100;
  static constexpr int kLongestWait = 4;  // seconds
  static constexpr int kBacklog = kLongestWait * kLeastPerSecond;
  // How long to pause when no handshake may begin.
  static constexpr loop::Duration kPause = std::chrono::milliseconds(25);
  // How late the loop may be at the end of a pause: up to the first all is well, beyond the second
  // it has too much to do.
  static constexpr loop::Duration kOnTime = std::chrono::milliseconds(10);
  static constexpr loop::Duration kLate = std::chrono::milliseconds(20);

  // A handshake was begun. False: pause before the next.
  bool Take(loop::Instant now) {
    if (last_) {
      const double seconds = std::chrono::duration<double>(now - *last_).count();
      tokens_ = std::min<double>(kBurst, tokens_ + std::max(0.0, seconds) * per_second_);
    }
    last_ = now;
    tokens_ -= 1;
    if (tokens_ >= 1) return true;
    ++pauses_;
    return false;
  }
  // The pause is over.
  void OnResumed(loop::Instant now) {
    const loop::Duration late = now - *last_ - kPause;
    if (late > kLate) per_second_ = std::max(kLeastPerSecond, per_second_ / 2);
    if (late <= kOnTime) per_second_ = std::min(kMostPerSecond, per_second_ * 5 / 4);
  }
  int per_second() const { return per_second_; }
  // How many connections may wait: clients give up after 10 s, and a longer queue would hand out
  // connections that are given up.
  size_t most_waiting() const { return static_cast<size_t>(kLongestWait * per_second_); }
  uint64_t pauses() const { return pauses_; }

 private:
  int per_second_ = kLeastPerSecond;
  double tokens_ = kBurst;
  std::optional<loop::Instant> last_;
  uint64_t pauses_ = 0;
};

}  // namespace tulle::server
