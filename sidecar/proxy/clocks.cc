#include "sidecar/proxy/clocks.h"

#include <algorithm>

#include "sidecar/proxy/codecs.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/timeouts.h"

namespace tulle::proxy {

RequestClocks::RequestClocks(Call& call, ClockEvents& events)
    : call_(call),
      events_(events),
      request_(this, Expire<Clock::kRequest>),
      per_try_(this, Expire<Clock::kPerTry>),
      per_try_idle_(this, Expire<Clock::kPerTry>),
      idle_(this, Expire<Clock::kIdle>),
      duration_(this, Expire<Clock::kDuration>),
      back_off_(this, Expire<Clock::kBackOff>),
      delay_(this, Expire<Clock::kDelay>) {}

void RequestClocks::Set(loop::Deadline& deadline, loop::Duration after) {
  call_.services.deadlines.Set(deadline, after);
}

void RequestClocks::AwaitHead() {
  const loop::Duration limit = HeadTimeout(call_.chain.spec);
  if (limit.count() > 0) Set(request_, limit);
}

void RequestClocks::AwaitBody() {
  request_.Clear();
  const loop::Duration limit = call_.chain.spec.request_timeout;
  if (limit.count() == 0) return;
  const loop::Duration spent = call_.services.loop.Now() - call_.record.times.started;
  Set(request_, std::max(limit - spent, loop::Duration(0)));
}

void RequestClocks::StartStream() {
  if (call_.request.ended) request_.Clear();
  TouchIdle();
  const loop::Duration duration = AllowedDuration(call_);
  if (duration.count() > 0) Set(duration_, duration);
}

void RequestClocks::StartRequest() {
  if (!call_.request.ended || call_.response.ended || request_.is_set()) return;
  const loop::Duration timeout = call_.chosen.forward()->timeout;
  if (timeout.count() > 0) Set(request_, timeout);
}

void RequestClocks::StartAttempt() {
  if (!call_.request.ended) return;
  StartRequest();
  const auto& retry = call_.chosen.forward()->retry;
  if (call_.response.started || !retry) return;
  if (retry->per_try_timeout.count() > 0) Set(per_try_, retry->per_try_timeout);
}

void RequestClocks::EndAttempt() {
  per_try_.Clear();
  per_try_idle_.Clear();
}

void RequestClocks::TouchIdle() {
  const loop::Duration limit = IdleTimeout(call_);
  if (limit.count() > 0) Set(idle_, limit);
}

void RequestClocks::TouchAttempt() {
  const auto& retry = call_.chosen.forward()->retry;
  if (retry && retry->per_try_idle_timeout.count() > 0)
    Set(per_try_idle_, retry->per_try_idle_timeout);
}

void RequestClocks::Clear() {
  for (loop::Deadline* clock :
       {&request_, &per_try_, &per_try_idle_, &idle_, &duration_, &back_off_, &delay_})
    clock->Clear();
}

}  // namespace tulle::proxy
