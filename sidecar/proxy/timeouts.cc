#include "sidecar/proxy/timeouts.h"

#include <algorithm>

#include "net/grpc/status.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {

using std::chrono::milliseconds;

std::optional<loop::Duration> CallerTimeout(Call& call) {
  if (!call.caller_timeout) {
    call.caller_timeout = loop::Duration(0);
    const std::string_view stated = call.request.head->headers.Get(http::HeaderId::kGrpcTimeout);
    if (!stated.empty())
      call.caller_timeout = grpc::ParseTimeout(stated).value_or(loop::Duration(0));
  }
  if (call.caller_timeout->count() == 0) return std::nullopt;
  return call.caller_timeout;
}

loop::Duration AllowedDuration(Call& call) {
  const route::ForwardSpec* forward = call.chosen.forward();
  if (forward == nullptr) return call.chain.spec.max_stream_duration;
  if (forward->grpc_timeout_max) {
    if (const std::optional<loop::Duration> asked = CallerTimeout(call)) {
      const loop::Duration most = *forward->grpc_timeout_max;
      loop::Duration allowed = most.count() > 0 ? std::min<loop::Duration>(*asked, most) : *asked;
      // An offset that leaves nothing is not applied.
      if (forward->grpc_timeout_offset < allowed) allowed -= forward->grpc_timeout_offset;
      return std::max<loop::Duration>(allowed, milliseconds(1));
    }
  }
  return forward->max_stream_duration.value_or(call.chain.spec.max_stream_duration);
}

std::optional<loop::Duration> TimeLeft(Call& call) {
  const loop::Instant now = call.services.loop.Now();
  std::optional<loop::Duration> left;
  const auto bound = [&left](loop::Duration by) {
    by = std::max<loop::Duration>(by, milliseconds(1));
    left = left ? std::min(*left, by) : by;
  };
  const route::ForwardSpec& forward = *call.chosen.forward();
  if (forward.timeout.count() > 0) {
    const loop::Duration spent =
        call.request.ended ? now - call.record.times.request_ended : loop::Duration(0);
    bound(forward.timeout - spent);
  }
  if (forward.retry && forward.retry->per_try_timeout.count() > 0)
    bound(forward.retry->per_try_timeout);
  if (const loop::Duration duration = AllowedDuration(call); duration.count() > 0)
    bound(duration - (now - call.record.times.started));
  return left;
}

void SendTimeLeft(Call& call) {
  http::Head& head = *call.request.head;
  const std::optional<loop::Duration> left = TimeLeft(call);
  if (left) {
    const auto whole = std::chrono::ceil<milliseconds>(*left);
    head.headers.Set(http::HeaderId::kXEnvoyExpectedRequestTimeout,
                     Decimal(call.arena, static_cast<uint64_t>(whole.count())));
  }
  if (call.record.grpc == nullptr) return;
  std::optional<loop::Duration> deadline = left;
  if (const std::optional<loop::Duration> asked = CallerTimeout(call)) {
    const loop::Duration spent = call.services.loop.Now() - call.record.times.started;
    const auto callers = std::max<loop::Duration>(*asked - spent, loop::Duration(1));
    deadline = left ? std::min(*left, callers) : callers;
  }
  if (deadline) {
    head.headers.Set(http::HeaderId::kGrpcTimeout, call.arena.Copy(grpc::FormatTimeout(*deadline)));
  }
}

loop::Duration IdleTimeout(const Call& call) {
  const route::ForwardSpec* forward = call.chosen.forward();
  const route::Milliseconds of_chain = call.chain.spec.stream_idle_timeout;
  return forward == nullptr ? of_chain : forward->idle_timeout.value_or(of_chain);
}

}  // namespace tulle::proxy
