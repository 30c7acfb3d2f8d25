// What the peers of one connection's streams may send before users take it: how far the windows of
// the streams may grow together, and the body bytes that wait for users. Source: RFC 9113 5.2.
#pragma once

#include <cstddef>

#include "net/http2/window_tuner.h"

namespace tulle::http2 {

// Pure. Owner: a session. Thread: the session's.
class ReceiveWindows {
 public:
  // `initial`: of each stream, as in our SETTINGS.
  explicit ReceiveWindows(size_t initial) : initial_(initial), tuner_(initial) {}

  size_t initial() const { return initial_; }
  // The window of a stream that has grown as far as possible.
  size_t largest() const { return tuner_.window(); }

  // Body was received on any stream, also if no user wants it. True: send a PING to measure the
  // bandwidth, and report its answer by OnProbeAnswered.
  bool OnReceived(size_t bytes) {
    tuner_.OnReceived(bytes);
    if (!tuner_.WantsProbe()) return false;
    tuner_.OnProbeSent();
    return true;
  }
  void OnProbeAnswered() { tuner_.OnProbeAnswered(held_); }
  // Body waits for its user; was delivered or dropped.
  void OnHeld(size_t bytes) { held_ += bytes; }
  void OnReleased(size_t bytes) { held_ -= bytes; }

  // A stream whose window has grown by `growth` has delivered body: how much more to grow it now.
  size_t Grow(size_t growth) {
    const size_t wanted = tuner_.window() - initial_;
    if (wanted <= growth || held_ > WindowTuner::kHeldBytes) return 0;
    const size_t more = wanted - growth;
    if (granted_ + more > kMaxGranted) return 0;
    granted_ += more;
    return more;
  }
  void OnStreamDestroyed(size_t growth) { granted_ -= growth; }

 private:
  static constexpr size_t kMaxGranted = 2 * WindowTuner::kHeldBytes;

  const size_t initial_;
  WindowTuner tuner_;
  size_t held_ = 0;
  size_t granted_ = 0;  // to all streams, beyond their initial windows
};

}  // namespace tulle::http2
