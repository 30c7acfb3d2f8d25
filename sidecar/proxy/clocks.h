#pragma once

#include "net/loop/deadlines.h"
#include "sidecar/proxy/call.h"

namespace tulle::proxy {

// What has run out.
enum class Clock : uint8_t {
  kRequest,   // the request was not received, or not answered, in time
  kPerTry,    // the attempt was not answered in time, or was idle for too long
  kIdle,      // nothing passed between us and the caller
  kDuration,  // request and response took too long in all
  kBackOff,   // the next attempt is due
  kDelay,     // the injected delay is over
};

class ClockEvents {
 public:
  // The clock that calls is not running any more.
  virtual void OnTime(Clock clock) = 0;

 protected:
  ~ClockEvents() = default;
};

// The clocks of one request. All are off at first; a time of zero leaves a clock off.
// Owner: Exchange. Thread: the worker's.
class RequestClocks {
 public:
  RequestClocks(Call& call, ClockEvents& events);

  // The head has begun to arrive (HTTP/2; the codec of HTTP/1.1 has a clock of its own).
  // HttpConnectionManager.request_headers_timeout.
  void AwaitHead();
  // The head is here, the body is not. HttpConnectionManager.request_timeout, from the first byte.
  void AwaitBody();
  // The request has been received, or its time no longer matters.
  void EndRequest() { request_.Clear(); }
  // The route is known: from here on silence and duration are bounded.
  void StartStream();
  // The route's timeout runs from the end of the request, as in Envoy, also while the request waits
  // for a connection.
  void StartRequest();
  // An attempt was sent: the route's timeout, and the attempt's own beside it.
  void StartAttempt();
  // Its response head is here.
  void EndTry() { per_try_.Clear(); }
  // It has ended.
  void EndAttempt();
  // Bytes have passed. RetryPolicy.per_try_idle_timeout is about the upstream alone.
  void TouchIdle();
  void TouchAttempt();
  void StartBackOff(loop::Duration time) { Set(back_off_, time); }
  void StartDelay(loop::Duration time) { Set(delay_, time); }
  void Clear();

 private:
  template <Clock kClock>
  static void Expire(void* self) {
    static_cast<RequestClocks*>(self)->events_.OnTime(kClock);
  }
  void Set(loop::Deadline& deadline, loop::Duration after);

  Call& call_;
  ClockEvents& events_;
  loop::Deadline request_;  // until the request has ended: of its receipt
  loop::Deadline per_try_;
  loop::Deadline per_try_idle_;
  loop::Deadline idle_;
  loop::Deadline duration_;
  loop::Deadline back_off_;
  loop::Deadline delay_;
};

}  // namespace tulle::proxy
