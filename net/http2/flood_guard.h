#pragma once

#include <cstddef>
#include <cstdint>

#include "net/loop/loop.h"

namespace tulle::http2 {

// Counts frames that are cheap for a peer to send and expensive for us to process, and detects
// abuse. Pure: no I/O; the caller tells the time. Owner: a session. Thread: the session's. Sources:
// CVE-2023-44487 (rapid reset), CVE-2025-8671 (resets that the peer makes us send),
// CVE-2019-9511..9518, CVE-2024-27316; limits as in Envoy's http2 options.
//
// Functions that return text return null, or the (static) reason to close the connection with
// ENHANCE_YOUR_CALM.
class FloodGuard {
 public:
  static constexpr uint32_t kMinStreams = 500;
  // Half of the streams aborted among this many: drain the connection, so that a peer that carries
  // the requests of many users, some of whom cancel often, can move on before kMinStreams.
  static constexpr uint32_t kDrainStreams = kMinStreams / 2;
  // Frames that carry no request: this many at once, this many per second, and this many for each
  // frame that does.
  static constexpr uint64_t kIdleFrames = 2000;
  static constexpr uint64_t kIdleFramesPerSecond = 100;
  static constexpr uint64_t kIdleFramesPerWork = 10;
  static constexpr loop::Duration kEarly = std::chrono::seconds(1);
  static constexpr uint32_t kLeaveStreams = 100;
  static constexpr uint32_t kLargeHeads = 50;
  static constexpr uint32_t kContinuations = 16;
  static constexpr size_t kQueuedFrames = 1000;

  void OnStreamOpened();
  // The peer reset a stream before its response was complete, or caused us to reset it. `age` of
  // the stream: cancelling a long-running stream is legitimate.
  const char* OnStreamAborted(loop::Duration age);
  // Aborted streams are so many that the connection should be drained.
  bool WantsDrain() const { return streams_ >= kDrainStreams && aborted_ * 2 > streams_; }
  // Client: a stream of ours has ended; `cancelled`: we reset it at this age. True: so many are
  // that the connection should be left, long before the server takes the cancellations of some
  // users for an attack and ends the streams of all: a quarter, of at least a hundred.
  bool OnOwnStreamEnded(bool cancelled, loop::Duration age);
  // A stream that was opened after our last GOAWAY: few can have been on their way.
  const char* OnStreamIgnored();
  // A header block over the limits, which must still be decoded to the end (CVE-2016-6581).
  const char* OnLargeHead();
  // A DATA frame without payload (padding does not count) and without END_STREAM, or another frame.
  const char* OnEmptyFrame();
  void OnPayload() { empty_in_row_ = 0; }
  // A frame that carries a request forward: HEADERS, or DATA with a payload.
  void OnWork() { ++work_frames_; }
  // Any other frame that has no limit of its own: PING, SETTINGS, GOAWAY, RST_STREAM, unknown ones.
  const char* OnIdleFrame(loop::Instant now);
  // Of one header block; OnHeaders begins it.
  const char* OnContinuation() {
    return ++continuations_ > kContinuations ? "http2.continuation_flood" : nullptr;
  }
  void OnHeaders() { continuations_ = 0; }
  const char* OnPriority();
  const char* OnWindowUpdate();
  void OnDataSent() { ++frame_scan_sent_; }
  // RST_STREAM, PING and SETTINGS acknowledgements that wait to be sent.
  const char* OnQueued(size_t frames) const;

 private:
  uint32_t streams_ = 0;  // both halved together, so that recent behaviour decides
  uint32_t aborted_ = 0;
  uint64_t streams_ever_ = 0;
  uint64_t priorities_ = 0;
  uint64_t window_updates_ = 0;
  uint64_t frame_scan_sent_ = 0;
  uint64_t work_frames_ = 0;
  uint64_t work_spent_ = 0;  // of work_frames_ and frame_scan_sent_, turned into idle_left_
  uint64_t idle_left_ = kIdleFrames;
  loop::Instant idle_since_{};
  uint32_t ignored_ = 0;
  uint32_t large_heads_ = 0;
  uint32_t continuations_ = 0;
  uint32_t empty_in_row_ = 0;
};

}  // namespace tulle::http2
