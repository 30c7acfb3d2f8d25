// The times that a request has: to be received, to be answered, each attempt, without a sound, and
// in all.

#include <algorithm>

#include "net/grpc/status.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {

using route::Milliseconds;

// HttpConnectionManager.request_timeout; over once the request has ended or its answer begins.
void Exchange::StartReceiveTimeout() {
  const Milliseconds limit = chain_.spec.request_timeout;
  if (limit.count() > 0) services_.deadlines.Set(request_deadline_, limit);
}

// The route is known: from here on silence and length are bounded by what it says.
void Exchange::StartStreamTimeouts() {
  if (request_ended_) request_deadline_.Clear();
  TouchIdle();
  const loop::Duration duration = AllowedDuration();
  if (duration.count() > 0) services_.deadlines.Set(duration_deadline_, duration);
}

// Source: RouteAction.max_stream_duration, and HttpProtocolOptions' where the route has none. Zero:
// no bound.
loop::Duration Exchange::AllowedDuration() const {
  const route::ForwardSpec* forward = route_ == nullptr ? nullptr : route_->forward();
  if (forward == nullptr) return chain_.spec.max_stream_duration;
  if (forward->grpc_timeout_max && request_->headers.Has(http::HeaderId::kGrpcTimeout)) {
    const auto asked = grpc::ParseTimeout(request_->headers.Get(http::HeaderId::kGrpcTimeout));
    if (asked) {
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
  const route::ForwardSpec& forward = *route_->forward();
  if (forward.timeout.count() > 0 && !request_deadline_.is_set() && !response_ended_) {
    services_.deadlines.Set(request_deadline_, forward.timeout);
  }
  if (response_started_ || !forward.retry) return;
  const Milliseconds per_try = forward.retry->per_try_timeout;
  if (per_try.count() > 0) services_.deadlines.Set(per_try_deadline_, per_try);
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
  failure_ = {request_ended_ ? FailureKind::kRequestTimeout : FailureKind::kReceiveTimeout};
  SendLocalReply();
}

void Exchange::OnPerTryTimeout() {
  if (attempt_) attempt_->Abandon({FailureKind::kPerTryTimeout});
  OnAttemptFailed({FailureKind::kPerTryTimeout});
}

void Exchange::OnIdleTimeout() {
  failure_ = {FailureKind::kStreamIdleTimeout};
  SendLocalReply();
}

void Exchange::OnDurationOver() {
  failure_ = {FailureKind::kStreamDuration};
  SendLocalReply();
}

}  // namespace tulle::proxy
