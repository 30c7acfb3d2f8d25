// When an attempt may be made again. Source: RetryPolicy, and
// Envoy's code where its documents differ: back-off before retry n is uniform in [0, min(max, base
// * 2^(n-1))).

#include <algorithm>
#include <utility>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/route/pushback.h"
#include "sidecar/route/retry_on.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {
namespace {

using route::RetryOn;

// The words of retry_on that a failure of this kind satisfies.
uint32_t ConditionsOf(FailureKind kind) {
  switch (kind) {
    case FailureKind::kConnectRefused:
    case FailureKind::kConnectTimeout:
    case FailureKind::kTlsFailed:
    case FailureKind::kPeerRefused:
      return route::kRetryOnConnectFailure | route::kRetryOn5xx | route::kRetryOnReset |
             route::kRetryOnGatewayError | route::kRetryOnResetBeforeRequest;
    case FailureKind::kUpstreamRefusedStream:
      return route::kRetryOnRefusedStream | route::kRetryOn5xx | route::kRetryOnReset |
             route::kRetryOnGatewayError | route::kRetryOnResetBeforeRequest;
    case FailureKind::kUpstreamClosedUnused:
    case FailureKind::kUpstreamClosedUnread:
      return route::kRetryOnConnectFailure | route::kRetryOn5xx | route::kRetryOnReset |
             route::kRetryOnGatewayError | route::kRetryOnResetBeforeRequest;
    case FailureKind::kUpstreamClosed:
    case FailureKind::kUpstreamReset:
    case FailureKind::kUpstreamProtocol:
      return route::kRetryOn5xx | route::kRetryOnReset | route::kRetryOnGatewayError;
    case FailureKind::kPerTryTimeout:
      return route::kRetryOn5xx | route::kRetryOnGatewayError;
    default:
      return 0;
  }
}

// Whether a request that met the end of a kept connection may be sent again: nobody has read it, or
// reading it twice does no harm.
bool MayFollowClose(FailureKind kind, const http::Head& request) {
  switch (kind) {
    case FailureKind::kUpstreamClosedUnused:
    case FailureKind::kUpstreamClosedUnread:
    case FailureKind::kUpstreamRefusedStream:
      return true;
    case FailureKind::kUpstreamClosed:
    case FailureKind::kUpstreamReset:
      return request.is_idempotent();
    default:
      return false;
  }
}

uint32_t ConditionsOfGrpc(std::string_view status) {
  if (status == "1") return route::kRetryOnGrpcCancelled;
  if (status == "4") return route::kRetryOnGrpcDeadlineExceeded;
  if (status == "8") return route::kRetryOnGrpcResourceExhausted;
  if (status == "13") return route::kRetryOnGrpcInternal;
  if (status == "14") return route::kRetryOnGrpcUnavailable;
  return 0;
}

bool StatusIsRetriable(const route::Route& route, const http::Head& head) {
  const route::RetrySpec& retry = *route.forward()->retry;
  const uint32_t on = retry.on;
  if (head.status >= 500 && (on & route::kRetryOn5xx)) return true;
  if (head.status >= 502 && head.status <= 504 && (on & route::kRetryOnGatewayError)) return true;
  if (head.status == 409 && (on & route::kRetryOnRetriable4xx)) return true;
  if ((on & route::kRetryOnRetriableStatusCodes) &&
      std::binary_search(retry.statuses.begin(), retry.statuses.end(),
                         static_cast<uint32_t>(head.status))) {
    return true;
  }
  if (on & ConditionsOfGrpc(head.headers.Get(http::HeaderId::kGrpcStatus))) return true;
  if (!(on & route::kRetryOnRetriableHeaders)) return false;
  const auto& wanted = route.retriable_response_headers();
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const auto& match) { return match.Matches(head); });
}

bool RequestIsRetriable(const route::Route& route, const http::Head& head) {
  const auto& wanted = route.retriable_request_headers();
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                       [&](const auto& match) { return match.Matches(head); });
}

}  // namespace

bool Exchange::BodyCanBeSentAgain() const { return replay_whole_; }

// A failed attempt: may there be another? If so the retry is entered into the caps.
bool Exchange::MayRetry(Failure failure) {
  if (response_started_ || downstream_ == nullptr || route_ == nullptr || !BodyCanBeSentAgain())
    return false;
  const route::ForwardSpec& forward = *route_->forward();
  // A reused connection that its peer was about to close: not the request's fault, so outside
  // attempts and budget, once.
  const bool was_kept = attempt_ && attempt_->reused() && !attempt_->got_anything();
  if (was_kept && !fresh_connection_used_ && MayFollowClose(failure.kind, *request_)) {
    fresh_connection_used_ = true;
    return true;
  }
  if (!forward.retry || retries_left_ == 0 || !(forward.retry->on & ConditionsOf(failure.kind))) {
    record_.retries_exhausted = forward.retry && retries_done_ > 0;
    return false;
  }
  return RequestIsRetriable(*route_, *request_) && EnterRetry();
}

bool Exchange::MayRetryStatus(const http::Head& head) {
  if (route_ == nullptr || !route_->forward()->retry || !BodyCanBeSentAgain()) return false;
  if (!StatusIsRetriable(*route_, head)) return false;
  if (retries_left_ == 0) {
    record_.retries_exhausted = true;
    return false;
  }
  const route::Pushback pushback =
      route::PushbackOf(*route_->forward()->retry, head, services_.loop.WallNow());
  if (pushback.refused || !RequestIsRetriable(*route_, *request_) || !EnterRetry()) return false;
  wait_asked_ = pushback.wait;
  return true;
}

bool Exchange::EnterRetry() {
  if (!in_retry_ && !cluster_->TryEnterRetry()) return false;
  in_retry_ = true;
  --retries_left_;
  ++retries_done_;
  return true;
}

void Exchange::LeaveRetry() {
  if (!in_retry_) return;
  in_retry_ = false;
  cluster_->LeaveRetry();
}

// Fully jittered; where the answer asked for a time, that and up to half of it more.
loop::Duration Exchange::BackOff() {
  loop::Random& random = services_.loop.random();
  if (const auto asked = std::exchange(wait_asked_, std::nullopt)) {
    return *asked + loop::Duration(static_cast<int64_t>(
                        random.Below(static_cast<uint64_t>(asked->count() / 2 + 1))));
  }
  const route::RetrySpec& retry = *route_->forward()->retry;
  const loop::Duration base = retry.base_interval;
  const loop::Duration most = retry.max_interval;
  const uint32_t doublings = std::min(retries_done_ - 1, 20u);
  const loop::Duration cap = std::min(most, base * (int64_t{1} << doublings));
  return loop::Duration(static_cast<int64_t>(random.Below(static_cast<uint64_t>(cap.count()))));
}

void Exchange::ScheduleRetry(bool with_back_off) {
  ClearAttemptTimeouts();
  if (attempt_) attempt_->Abandon({FailureKind::kUpstreamReset, "another attempt follows"});
  response_credit_ = 0;
  request_credit_ = 0;
  phase_ = Phase::kPickEndpoint;
  services_.deadlines.Set(back_off_,
                          with_back_off && retries_done_ > 0 ? BackOff() : loop::Duration(0));
}

void Exchange::OnBackOffOver() {
  if (BodyCanBeSentAgain()) return Advance();
  failure_ = {FailureKind::kUpstreamReset, "the body grew beyond what is kept for a retry"};
  SendLocalReply();
}

void Exchange::OnAttemptFailed(Failure failure) {
  ClearAttemptTimeouts();
  EndAttemptTrace(response_started_ ? record_.status : 0, failure);
  CountMeshTime(true);
  if (MayRetry(failure)) return ScheduleRetry(retries_done_ > 0);
  failure_ = failure;
  SendLocalReply();
}

}  // namespace tulle::proxy
