// Which stream ids the peer may still use in HEADERS and DATA. nghttp2 forgets a stream when it
// closes, so it cannot tell a frame for a stream that the peer has ended, which is an error of the
// connection, from one that crosses our RST_STREAM. Source: RFC 9113 5.1, 5.1.1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tulle::http2 {

// Pure. Owner: a session. Thread: the session's. Call OnHeaders for every HEADERS frame, OnEnded
// when a stream that the peer has ended or reset is closed, or when the peer ends or resets one
// that was closed before.
class StreamIds {
 public:
  enum class Use : uint8_t {
    kOpens,   // a new stream of the peer
    kKnown,   // an open stream, or one closed long ago
    kClosed,  // the peer itself has ended the stream: STREAM_CLOSED
    kSkipped  // the peer opened a stream with a higher id before: PROTOCOL_ERROR
  };

  // `peer_opens`: the peer is a client.
  explicit StreamIds(bool peer_opens) : peer_opens_(peer_opens) {}

  Use OnHeaders(int32_t id) {
    if (peer_opens_ && id > last_) {
      if (id > last_ + 2) {
        skipped_from_ = last_ + 1;
        skipped_to_ = id - 1;
      }
      last_ = id;
      return Use::kOpens;
    }
    if (HasEnded(id)) return Use::kClosed;
    return id >= skipped_from_ && id <= skipped_to_ ? Use::kSkipped : Use::kKnown;
  }
  void OnEnded(int32_t id) { ended_[ended_count_++ % ended_.size()] = id; }
  // False: a stream that the peer has not opened yet.
  bool MayBeClosed(int32_t id) const { return !peer_opens_ || id <= last_; }
  // The peer has ended this stream, one of the latest that it did: it may send nothing on it.
  // Without an early exit, so that the compiler compares several ids at once: it runs for every
  // response.
  bool HasEnded(int32_t id) const {
    int32_t found = 0;
    for (const int32_t ended : ended_) found |= ended == id ? 1 : 0;
    return id != 0 && found != 0;
  }

 private:
  const bool peer_opens_;
  int32_t last_ = 0;
  int32_t skipped_from_ = 0;  // the latest range of ids that the peer skipped, which closes them
  int32_t skipped_to_ = 0;
  std::array<int32_t, 16> ended_{};  // the latest
  size_t ended_count_ = 0;
};

}  // namespace tulle::http2
