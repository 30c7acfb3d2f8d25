#include "sidecar/recorder/decision.h"

#include <chrono>

#include "absl/strings/str_cat.h"

namespace tulle::recorder {
namespace {

const char* TextOf(BreakerNow breaker) {
  switch (breaker) {
    case BreakerNow::kUnknown:
      break;
    case BreakerNow::kClosed:
      return ", circuit breaker closed";
    case BreakerNow::kOpen:
      return ", circuit breaker open";
    case BreakerNow::kTrial:
      return ", circuit breaker trying again";
  }
  return "";
}

int64_t Micros(loop::Duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

std::string AttemptInWords(const Decision& decision) {
  const DecisionNumbers& numbers = decision.numbers;
  std::string text;
  if (numbers.status != 0) absl::StrAppend(&text, "status ", numbers.status, ", ");
  if (!decision.reason.empty()) absl::StrAppend(&text, std::string(decision.reason), ", ");
  return absl::StrCat(text, "began after ", Micros(numbers.began), " us, took ",
                      Micros(numbers.took), " us", TextOf(numbers.breaker));
}

}  // namespace

std::string_view TextOf(DecisionKind kind) {
  switch (kind) {
    case DecisionKind::kRoute:
      return "route";
    case DecisionKind::kBackend:
      return "backend";
    case DecisionKind::kAuthorization:
      return "authorization";
    case DecisionKind::kRateLimit:
      return "rate limit";
    case DecisionKind::kFault:
      return "fault";
    case DecisionKind::kEndpoint:
      return "endpoint";
    case DecisionKind::kAttempt:
      return "attempt";
    case DecisionKind::kRetry:
      return "retry";
    case DecisionKind::kClusterLimit:
      return "cluster limit";
    case DecisionKind::kBreaker:
      return "circuit breaker";
    case DecisionKind::kTimeout:
      return "timeout";
    case DecisionKind::kPolicy:
      return "policy";
    case DecisionKind::kCount:
      break;
  }
  return {};
}

std::string ReasonInWords(const Decision& decision) {
  if (decision.kind == DecisionKind::kAttempt) return AttemptInWords(decision);
  std::string text(decision.reason);
  const DecisionNumbers& numbers = decision.numbers;
  if (numbers.allowed != 0)
    absl::StrAppend(&text, text.empty() ? "" : ": ", numbers.used, " of ", numbers.allowed);
  if (numbers.status != 0) absl::StrAppend(&text, ", status ", numbers.status);
  if (numbers.delay.count() != 0) absl::StrAppend(&text, ", ", Micros(numbers.delay), " us");
  return text;
}

}  // namespace tulle::recorder
