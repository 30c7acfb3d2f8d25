#pragma once

#include "net/loop/deadlines.h"
#include "sidecar/config/listener_spec.h"

namespace tulle::proxy {

enum class ConnectionClock : uint8_t {
  kDrain,    // idle for too long (HTTP/2), or too old
  kRetired,  // the time is over that its last requests had
};

class ConnectionClockEvents {
 public:
  virtual void OnTime(ConnectionClock clock) = 0;

 protected:
  ~ConnectionClockEvents() = default;
};

// The clocks of one downstream connection. Owner: DownstreamConnection. Thread: the worker's.
class ConnectionClocks {
 public:
  ConnectionClocks(loop::Deadlines& deadlines, ConnectionClockEvents& events)
      : deadlines_(deadlines),
        events_(events),
        idle_(this, Expire<ConnectionClock::kDrain>),
        age_(this, Expire<ConnectionClock::kDrain>),
        retire_(this, Expire<ConnectionClock::kRetired>) {}

  // HttpProtocolOptions.max_connection_duration; 0: none.
  void StartAge(config::Milliseconds age) {
    if (age.count() > 0) deadlines_.Set(age_, age);
  }
  // HttpProtocolOptions.idle_timeout, where the codec does not keep it by itself; 0: none.
  void StartIdle(config::Milliseconds idle) {
    if (idle.count() > 0) deadlines_.Set(idle_, idle);
  }
  void StopIdle() { idle_.Clear(); }
  // The first call counts.
  void StartRetire(loop::Duration within) {
    if (!retire_.is_set()) deadlines_.Set(retire_, within);
  }
  void Clear() {
    for (loop::Deadline* clock : {&idle_, &age_, &retire_}) clock->Clear();
  }

 private:
  template <ConnectionClock kClock>
  static void Expire(void* self) {
    static_cast<ConnectionClocks*>(self)->events_.OnTime(kClock);
  }

  loop::Deadlines& deadlines_;
  ConnectionClockEvents& events_;
  loop::Deadline idle_;
  loop::Deadline age_;
  loop::Deadline retire_;
};

}  // namespace tulle::proxy
