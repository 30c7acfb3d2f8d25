// Detects a peer that no longer responds, by PING (RFC 9113 6.7). Source of the options:
// Http2ProtocolOptions.connection_keepalive.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "net/http2/options.h"

namespace tulle::http2 {

// Pure: the session owns the timer and sends the PING. Owner: a session. Thread: the session's.
//
// Use: if enabled(), start a timer with wait(). Each time it fires: OnTimer, do what it says, start
// the timer again with wait(). OnInput and OnStreamSent at any time.
class Keepalive {
 public:
  enum class Action : uint8_t {
    kNone,
    kSendPing,
    kLost,  // no input since the PING: end the connection
  };
  static constexpr std::array<uint8_t, 8> kPing = {'a', 'l', 'i', 'v', 'e'};

  explicit Keepalive(const Options& options)
      : interval_(options.keepalive_interval),
        timeout_(options.keepalive_timeout),
        only_if_unanswered_(options.keepalive_if_unanswered) {}

  bool enabled() const { return interval_.count() > 0; }
  loop::Duration wait() const { return ping_sent_ ? timeout_ : interval_; }

  // Any bytes from the peer: it is alive.
  void OnInput() {
    heard_ = true;
    unanswered_ = false;
  }
  // Something that the peer may respond to was sent on a stream.
  void OnStreamSent() { unanswered_ = true; }
  Action OnTimer() {
    if (std::exchange(heard_, false)) {
      ping_sent_ = false;
      return Action::kNone;
    }
    if (ping_sent_) return Action::kLost;
    if (only_if_unanswered_ && !unanswered_) return Action::kNone;
    ping_sent_ = true;
    return Action::kSendPing;
  }

 private:
  const loop::Duration interval_;
  const loop::Duration timeout_;
  const bool only_if_unanswered_;
  bool heard_ = false;       // input since the last OnTimer
  bool ping_sent_ = false;   // and nothing was heard since
  bool unanswered_ = false;  // sent on a stream since the last input
};

}  // namespace tulle::http2
