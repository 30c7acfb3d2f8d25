// How a connection stops taking new streams: GOAWAY in either direction. Source: RFC 9113 6.8.
//
// A server announces the end in two steps, because requests may be on their way: a GOAWAY that
// still admits every stream together with a PING, and once the PING is answered (or its time is
// up) a second GOAWAY that names the last stream it has accepted. A client opens no new streams and
// sends its only GOAWAY when the last one has ended.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace tulle::http2 {

// Pure: the session sends the frames and owns the timer. Owner: a session. Thread: the session's.
// Order: Begin or OnPeerGoaway, then Announce; each may repeat.
class Drain {
 public:
  // The payload of the PING that follows the first GOAWAY.
  static constexpr std::array<uint8_t, 8> kPing = {'d', 'r', 'a', 'i', 'n'};

  // No new streams may be opened. A server still accepts those of the peer until Announce.
  bool leaving() const { return peer_leaving_ || state_ != State::kServing; }
  // The peer will close: it has sent a GOAWAY.
  bool peer_leaving() const { return peer_leaving_; }
  // The last GOAWAY was sent: the connection closes after its last stream.
  bool announced() const { return state_ == State::kAnnounced; }

  // We want to leave. False: that had begun before.
  bool Begin() {
    if (state_ != State::kServing) return false;
    state_ = State::kNoticed;
    return true;
  }
  void OnPeerGoaway() { peer_leaving_ = true; }
  // Whether a PING with this payload, which the peer has answered, was sent after our first GOAWAY:
  // every request that was sent before the peer knew of it has arrived.
  bool IsAnswer(const uint8_t* payload) const {
    return state_ == State::kNoticed && std::equal(kPing.begin(), kPing.end(), payload);
  }
  // True once: the last GOAWAY must be sent now.
  bool Announce() {
    if (announced()) return false;
    state_ = State::kAnnounced;
    return true;
  }

 private:
  enum class State : uint8_t {
    kServing,
    kNoticed,    // we open no streams; servers have sent the first GOAWAY
    kAnnounced,  // the last GOAWAY was sent
  };
  State state_ = State::kServing;
  bool peer_leaving_ = false;
};

}  // namespace tulle::http2
