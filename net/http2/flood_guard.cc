#include "net/http2/flood_guard.h"

#include <algorithm>

namespace tulle::http2 {

void FloodGuard::OnStreamOpened() {
  ++streams_ever_;
  if (++streams_ == 4 * kMinStreams) {
    streams_ /= 2;
    aborted_ /= 2;
  }
}

const char* FloodGuard::OnStreamAborted(loop::Duration age) {
  if (age >= kEarly) return nullptr;
  ++aborted_;
  return streams_ >= kMinStreams && aborted_ * 2 > streams_ ? "http2.stream_reset_flood" : nullptr;
}

bool FloodGuard::OnOwnStreamEnded(bool cancelled, loop::Duration age) {
  OnStreamOpened();
  if (!cancelled || age >= 2 * kEarly) return false;  // the server sees another age
  ++aborted_;
  return streams_ >= kLeaveStreams && aborted_ * 4 > streams_;
}

const char* FloodGuard::OnStreamIgnored() {
  return ++ignored_ > kMinStreams ? "http2.streams_after_goaway_flood" : nullptr;
}

const char* FloodGuard::OnIdleFrame(loop::Instant now) {
  using std::chrono::seconds;
  const uint64_t work = work_frames_ + frame_scan_sent_;
  const auto elapsed = std::min<loop::Duration>(now - idle_since_, seconds(60));
  const auto earned = static_cast<uint64_t>(elapsed * kIdleFramesPerSecond / seconds(1));
  if (earned > 0) idle_since_ = now;
  idle_left_ += earned + (work - work_spent_) * kIdleFramesPerWork;
  idle_left_ = std::min(idle_left_, kIdleFrames);
  work_spent_ = work;
  if (idle_left_ == 0) return "http2.idle_frames_flood";
  --idle_left_;
  return nullptr;
}

const char* FloodGuard::OnLargeHead() {
  return ++large_heads_ > kLargeHeads ? "http2.large_headers_flood" : nullptr;
}

const char* FloodGuard::OnEmptyFrame() {
  return ++empty_in_row_ > 1 ? "http2.empty_frames_flood" : nullptr;
}

const char* FloodGuard::OnPriority() {
  return ++priorities_ > 100 * (1 + streams_ever_) ? "http2.priority_flood" : nullptr;
}

const char* FloodGuard::OnWindowUpdate() {
  // Envoy's bound: 5 and, per stream and per DATA frame sent, 2 and 10 more.
  return ++window_updates_ > 5 + 2 * (streams_ever_ + 10 * frame_scan_sent_)
             ? "http2.window_update_flood"
             : nullptr;
}

const char* FloodGuard::OnQueued(size_t frames) const {
  return frames > kQueuedFrames ? "http2.outbound_control_flood" : nullptr;
}

}  // namespace tulle::http2
