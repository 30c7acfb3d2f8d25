#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tulle::http2 {

// The size of the receive windows of one connection's streams: the bandwidth-delay product,
// measured by the bytes that arrive between a PING and its response. Pure. Owner: the
// session's ReceiveWindows. Thread: the session's.
//
// Use: OnReceived for all body bytes; when WantsProbe(), send a PING and call OnProbeSent; on
// its response OnProbeAnswered. window() never shrinks.
class WindowTuner {
 public:
  static constexpr size_t kLargest = 4 * 1024 * 1024;
  // Undelivered body bytes on one connection above which windows do not grow.
  static constexpr size_t kHeldBytes = 4 * 1024 * 1024;

  explicit WindowTuner(size_t start) : window_(start) {}

  size_t window() const { return window_; }
  void OnReceived(size_t bytes) { (probing_ ? sample_ : unprobed_) += bytes; }
  // Half a window has arrived since the last probe: our window may be limiting the sender.
  bool WantsProbe() const { return !probing_ && window_ < kLargest && unprobed_ >= window_ / 2; }
  void OnProbeSent() {
    probing_ = true;
    sample_ = 0;
  }
  void OnProbeAnswered(size_t held) {
    if (!probing_) return;
    probing_ = false;
    unprobed_ = 0;
    if (held <= kHeldBytes && sample_ >= window_ - window_ / 3) {
      window_ = std::min(kLargest, window_ * 2);
    }
  }

 private:
  size_t window_;
  size_t unprobed_ = 0;
  size_t sample_ = 0;
  bool probing_ = false;
};

}  // namespace tulle::http2
