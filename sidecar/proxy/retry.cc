#include "sidecar/proxy/retry.h"

#include <algorithm>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/services.h"
#include "sidecar/route/pushback.h"
#include "sidecar/route/retry_on.h"
#include "sidecar/upstream/retry_cap.h"

namespace tulle::proxy {
namespace {

using route::RetryOn;

// The conditions of retry_on that a failure satisfies.
uint32_t ConditionsOf(const FailureFacts& facts) {
  uint32_t on = route::kRetryOn5xx | route::kRetryOnReset | route::kRetryOnGatewayError;
  if (facts.processed == Processed::kNo) on |= route::kRetryOnResetBeforeRequest;
  switch (facts.stage) {
    case AttemptStage::kConnect:
      return on | route::kRetryOnConnectFailure;
    case AttemptStage::kRefused:
      return on | route::kRetryOnRefusedStream;
    case AttemptStage::kUnread:  // HTTP/2: GOAWAY, which Envoy calls a refused stream
      return on | route::kRetryOnRefusedStream | route::kRetryOnConnectFailure;
    case AttemptStage::kAwaiting:
      return on;
    case AttemptStage::kNone:
    case AttemptStage::kAnswered:
      break;
  }
  return 0;
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
  // Refused by a rate limit: only a route that names this condition retries.
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

// What an attempt failed of.
struct Attempted {
  std::string_view cause;
  int status = 0;  // of its response; 0: there is none
};

bool Decide(Call& call, Attempted what, bool retry, std::string_view reason) {
  Explain(call, DecisionKind::kRetry, what.cause, retry, reason, {.status = what.status});
  return retry;
}

// Enters the retry into the cluster's limits.
bool EnterRetry(Call& call, Attempted what) {
  if (!RequestIsRetriable(*call.chosen.route, *call.request.head))
    return Decide(call, what, false, "retriable_request_headers do not match");
  if (!call.retries.TryEnter(*call.cluster)) {
    call.record.retries.refused = true;
    const upstream::ClusterLimits& limits = call.cluster->limits();
    Explain(call, DecisionKind::kRetry, what.cause, false, "retry limit of the cluster reached",
            {.used = limits.retries.count(),
             .allowed = upstream::RetryCap(call.cluster->spec().caps, limits),
             .status = what.status});
    return false;
  }
  return Decide(call, what, true, "retry_on matches");
}

}  // namespace

bool MayRetry(Call& call, Failure failure, bool keep_alive_race) {
  Retries& retries = call.retries;
  const FailureFacts& facts = failure.facts();
  const route::ForwardSpec* forward = call.chosen.forward();
  if (forward == nullptr) return false;
  if (call.response.started) return Decide(call, {facts.cause}, false, "the response has begun");
  if (!retries.has_whole_body())
    return Decide(call, {facts.cause}, false, "the request body was not kept");
  // The peer closed a reused connection as the request was sent: one retry outside attempts and
  // budget, if the request was not read or may safely be sent twice.
  if (keep_alive_race &&
      (facts.processed == Processed::kNo || call.request.head->is_idempotent()) &&
      retries.TryFreshConnection()) {
    return Decide(call, {facts.cause}, true, "a reused connection closed: sent on a new one");
  }
  // Not processed, so it is safe to send again, within the budget.
  if (facts.stage == AttemptStage::kRefused && retries.TryRefused(*call.cluster))
    return Decide(call, {facts.cause}, true, "the request was not processed");
  if (!forward->retry) return Decide(call, {facts.cause}, false, "the route has no retry policy");
  const bool matches = (forward->retry->on & ConditionsOf(facts)) != 0;
  if (retries.left() == 0 || !matches) {
    call.record.retries.exhausted = retries.done() > 0;
    return Decide(call, {facts.cause}, false,
                  matches ? "no retries left" : "retry_on does not match");
  }
  return EnterRetry(call, {facts.cause});
}

bool MayRetryUnreached(Call& call) {
  const Failure failure{FailureKind::kUpstreamRefusedStream, "application not reached"};
  const bool may_go =
      call.chosen.forward() != nullptr && !call.response.started && call.retries.has_whole_body();
  if (may_go && call.retries.TryElsewhere())
    return Decide(call, {failure.facts().cause}, true, "the application was not reached");
  return MayRetry(call, failure, false);
}

bool MayRetryStatus(Call& call, const http::Head& head) {
  Retries& retries = call.retries;
  const auto& retry = call.chosen.forward()->retry;
  if (!retry || !StatusIsRetriable(*call.chosen.route, head)) return false;
  const Attempted what{"status", head.status};
  if (!retries.has_whole_body()) return Decide(call, what, false, "the request body was not kept");
  if (retries.left() == 0) {
    call.record.retries.exhausted = true;
    return Decide(call, what, false, "no retries left");
  }
  const route::Pushback pushback = route::PushbackOf(*retry, head, call.services.loop.WallNow());
  if (pushback.refused) return Decide(call, what, false, "the server asked not to retry");
  if (!EnterRetry(call, what)) return false;
  retries.AskWait(pushback.wait);
  return true;
}

}  // namespace tulle::proxy
