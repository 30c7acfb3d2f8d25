// The times that a request has: to be received, to be answered, each attempt, without a sound, and
// in all.

#include <algorithm>

#include "net/grpc/status.h"
#include "sidecar/proxy/codecs.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {

using route::Milliseconds;

// HttpConnectionManager.request_headers_timeout.
void Exchange::AwaitHead() {
  const Milliseconds limit = HeadTimeout(chain_.spec);
  if (limit.count() > 0) services_.deadlines.Set(request_deadline_, limit);
}

// HttpConnectionManager.request_timeout, from the first byte: the codec holds the head to it, this
// the rest. Over once the request has ended or its answer begins.
void Exchange::StartReceiveTimeout() {
  const Milliseconds limit = chain_.spec.request_timeout;
  if (limit.count() == 0) return;
  const loop::Duration spent = services_.loop.Now() - record_.started;
  services_.deadlines.Set(request_deadline_, std::max(limit - spent, loop::Duration(0)));
}

// The route is known: from here on silence and length are bounded by what it says.
void Exchange::StartStreamTimeouts() {
  if (request_ended_) request_deadline_.Clear();
  TouchIdle();
  const loop::Duration duration = AllowedDuration();
  if (duration.count() > 0) services_.deadlines.Set(duration_deadline_, duration);
}

// The grpc-timeout that the caller sent; read before TellTimeLeft writes ours over it.
std::optional<loop::Duration> Exchange::CallerTimeout() {
  if (!caller_timeout_) {
    caller_timeout_ = loop::Duration(0);
    const std::string_view said = request_->headers.Get(http::HeaderId::kGrpcTimeout);
    if (!said.empty()) caller_timeout_ = grpc::ParseTimeout(said).value_or(loop::Duration(0));
  }
  if (caller_timeout_->count() == 0) return std::nullopt;
  return caller_timeout_;
}

// Source: RouteAction.max_stream_duration, and HttpProtocolOptions' where the route has none. Zero:
// no bound.
loop::Duration Exchange::AllowedDuration() {
  const route::ForwardSpec* forward = route_ == nullptr ? nullptr : route_->forward();
  if (forward == nullptr) return chain_.spec.max_stream_duration;
  if (forward->grpc_timeout_max) {
    if (const std::optional<loop::Duration> asked = CallerTimeout()) {
      const loop::Duration most = *forward->grpc_timeout_max;
      loop::Duration allowed = most.count() > 0 ? std::min<loop::Duration>(*asked, most) : *asked;
      // An offset that leaves nothing is not applied.
      if (forward->grpc_timeout_offset < allowed) allowed -= forward->grpc_timeout_offset;
      return std::max<loop::Duration>(allowed, std::chrono::milliseconds(1));
    }
  }
  return forward->max_stream_duration.value_or(chain_.spec.max_stream_duration);
}

// The route's timeout runs from the end of the request, as in Envoy; each attempt has its own
// beside it.
void Exchange::StartResponseTimeouts() {
  if (route_ == nullptr || !request_ended_ || phase_ != Phase::kForward) return;
  StartRequestTimeout();
  const route::ForwardSpec& forward = *route_->forward();
  if (response_started_ || !forward.retry) return;
  const Milliseconds per_try = forward.retry->per_try_timeout;
  if (per_try.count() > 0) services_.deadlines.Set(per_try_deadline_, per_try);
}

// Waiting for a connection counts too.
void Exchange::StartRequestTimeout() {
  if (!request_ended_ || response_ended_ || request_deadline_.is_set()) return;
  const Milliseconds timeout = route_->forward()->timeout;
  if (timeout.count() > 0) services_.deadlines.Set(request_deadline_, timeout);
}

// How long an answer to this attempt is of use to the caller; empty: no bound is known.
std::optional<loop::Duration> Exchange::TimeLeft() {
  const loop::Instant now = services_.loop.Now();
  std::optional<loop::Duration> left;
  const auto bound = [&left](loop::Duration by) {
    by = std::max<loop::Duration>(by, std::chrono::milliseconds(1));
    left = left ? std::min(*left, by) : by;
  };
  const route::ForwardSpec& forward = *route_->forward();
  if (forward.timeout.count() > 0) {
    const loop::Duration spent = request_ended_ ? now - record_.request_ended : loop::Duration(0);
    bound(forward.timeout - spent);
  }
  if (forward.retry && forward.retry->per_try_timeout.count() > 0)
    bound(forward.retry->per_try_timeout);
  if (const loop::Duration duration = AllowedDuration(); duration.count() > 0)
    bound(duration - (now - record_.started));
  return left;
}

// The next hop need not work on what nobody waits for: it is told the time that is left, less with
// each attempt. Source: Envoy's x-envoy-expected-rq-timeout-ms; gRPC over HTTP/2, grpc-timeout.
void Exchange::TellTimeLeft() {
  const std::optional<loop::Duration> left = TimeLeft();
  if (left) {
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(*left);
    request_->headers.Set(http::HeaderId::kXEnvoyExpectedRequestTimeout,
                          Decimal(static_cast<uint64_t>(whole.count())));
  }
  if (!request_->is_grpc()) return;
  std::optional<loop::Duration> deadline = left;
  if (const std::optional<loop::Duration> asked = CallerTimeout()) {
    const loop::Duration spent = services_.loop.Now() - record_.started;
    const auto callers = std::max<loop::Duration>(*asked - spent, loop::Duration(1));
    deadline = left ? std::min(*left, callers) : callers;
  }
  if (deadline) {
    request_->headers.Set(http::HeaderId::kGrpcTimeout,
                          arena_.Copy(grpc::FormatTimeout(*deadline)));
  }
}

// RouteAction.idle_timeout, else HttpConnectionManager.stream_idle_timeout.
void Exchange::TouchIdle() {
  Milliseconds limit = chain_.spec.stream_idle_timeout;
  if (route_ != nullptr && route_->forward() != nullptr)
    limit = route_->forward()->idle_timeout.value_or(limit);
  if (limit.count() > 0) services_.deadlines.Set(idle_deadline_, limit);
}

// RetryPolicy.per_try_idle_timeout: something passed between us and the upstream.
void Exchange::TouchAttempt() {
  const route::ForwardSpec& forward = *route_->forward();
  if (forward.retry && forward.retry->per_try_idle_timeout.count() > 0)
    services_.deadlines.Set(per_try_idle_deadline_, forward.retry->per_try_idle_timeout);
}

void Exchange::ClearAttemptTimeouts() {
  per_try_deadline_.Clear();
  per_try_idle_deadline_.Clear();
}

void Exchange::OnRequestTimeout() {
  if (request_ == nullptr) return Abort({FailureKind::kRequestHeadersTimeout});
  failure_ = {request_ended_ ? FailureKind::kRequestTimeout : FailureKind::kReceiveTimeout};
  SendLocalReply();
}

void Exchange::OnPerTryTimeout() {
  if (attempt_) attempt_->Abandon({FailureKind::kPerTryTimeout});
  OnAttemptFailed({FailureKind::kPerTryTimeout});
}

void Exchange::OnIdleTimeout() {
  // Nobody else was waited for.
  if (attempt_ && request_sent_ && !response_started_)
    attempt_->Abandon({FailureKind::kRequestTimeout});
  failure_ = {FailureKind::kStreamIdleTimeout};
  SendLocalReply();
}

void Exchange::OnDurationOver() {
  failure_ = {FailureKind::kStreamDuration};
  SendLocalReply();
}

}  // namespace tulle::proxy
