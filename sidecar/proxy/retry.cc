// When an attempt may be made again. Source: RetryPolicy, and Envoy's code where its documents
// differ.

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
    case FailureKind::kUpstreamClosedUnread:  // HTTP/2: GOAWAY, which Envoy calls a refused stream
      return route::kRetryOnRefusedStream | route::kRetryOnConnectFailure | route::kRetryOn5xx |
             route::kRetryOnReset | route::kRetryOnGatewayError | route::kRetryOnResetBeforeRequest;
    case FailureKind::kUpstreamClosed:
    case FailureKind::kUpstreamReset:
    case FailureKind::kUpstreamProtocol:
      return route::kRetryOn5xx | route::kRetryOnReset | route::kRetryOnGatewayError;
    case FailureKind::kPerTryTimeout:
      return route::kRetryOn5xx | route::kRetryOnReset | route::kRetryOnGatewayError;
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
  // Somebody's limit has refused it: only who asks for it by name tries again.
  if (head.headers.Find("x-envoy-ratelimited") != nullptr)
    return (on & route::kRetryOnEnvoyRateLimited) != 0;
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

// A failed attempt: may there be another? If so the retry is entered into the caps.
bool Exchange::MayRetry(Failure failure) {
  if (response_started_ || downstream_ == nullptr || route_ == nullptr ||
      !retries_.has_whole_body())
    return false;
  const route::ForwardSpec& forward = *route_->forward();
  // A reused connection that its peer was about to close: not the request's fault, so outside
  // attempts and budget, once.
  if (attempt_ && attempt_->MetEndOfKept(failure.kind) && MayFollowClose(failure.kind, *request_) &&
      retries_.TryFreshConnection()) {
    return true;
  }
  // Nobody has begun on it. That the next is refused too costs no more than the budget.
  if (failure.kind == FailureKind::kUpstreamRefusedStream && retries_.TryRefused(*cluster_))
    return true;
  if (!forward.retry || retries_.left() == 0 || !(forward.retry->on & ConditionsOf(failure.kind))) {
    record_.retries_exhausted = forward.retry && retries_.done() > 0;
    return false;
  }
  return RequestIsRetriable(*route_, *request_) && retries_.TryEnter(*cluster_);
}

bool Exchange::MayRetryStatus(const http::Head& head) {
  if (route_ == nullptr || !route_->forward()->retry || !retries_.has_whole_body()) return false;
  if (!StatusIsRetriable(*route_, head)) return false;
  if (retries_.left() == 0) {
    record_.retries_exhausted = true;
    return false;
  }
  const route::Pushback pushback =
      route::PushbackOf(*route_->forward()->retry, head, services_.loop.WallNow());
  if (pushback.refused || !RequestIsRetriable(*route_, *request_) || !retries_.TryEnter(*cluster_))
    return false;
  retries_.AskWait(pushback.wait);
  return true;
}

void Exchange::ScheduleRetry(bool with_back_off) {
  ClearAttemptTimeouts();
  if (attempt_) attempt_->Abandon({FailureKind::kUpstreamReset, "another attempt follows"});
  response_credit_ =
      0;  // the new stream has been given none; what downstream was given still holds
  phase_ = Phase::kPickEndpoint;
  loop::Duration wait{};
  if (with_back_off && retries_.done() > 0)
    wait = retries_.BackOff(*route_->forward()->retry, services_.loop.random());
  services_.deadlines.Set(back_off_, wait);
}

void Exchange::OnBackOffOver() { Advance(); }

void Exchange::OnAttemptFailed(Failure failure) {
  ClearAttemptTimeouts();
  EndAttemptTrace(response_started_ ? record_.status : 0, failure);
  CountMeshTime(true);
  if (MayRetry(failure)) return ScheduleRetry(retries_.done() > 0);
  failure_ = failure;
  SendLocalReply();
}

}  // namespace tulle::proxy
