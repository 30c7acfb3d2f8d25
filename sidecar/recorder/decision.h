#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/loop/loop.h"

namespace tulle::recorder {

// In the order in which explanations show them.
enum class DecisionKind : uint8_t {
  kRoute,          // subject: the route's name, or its place in the table
  kBackend,        // the cluster, of several with weights
  kAuthorization,  // the policy
  kRateLimit,      // the filter
  kFault,          // "delay" or "abort"
  kEndpoint,       // the address
  kAttempt,        // the address
  kRetry,          // what the attempt failed of
  kBreaker,        // the endpoint, or the cluster without an endpoint that is not open
  kTimeout,        // what is limited: "request", "perTry"
  kClusterLimit,   // the limit
  kPolicy,         // the field of a policy that decides; the reason is the cause, or "retries"
  kCount,
};

// "route", "rate limit" and so on. Source: tulle.insight.v1.Decision.kind.
std::string_view TextOf(DecisionKind kind);

enum class BreakerNow : uint8_t { kUnknown, kClosed, kOpen, kTrial };

// Numbers that belong to a decision; 0: it has none.
struct DecisionNumbers {
  uint64_t used = 0;  // of a limit
  uint64_t allowed = 0;
  int status = 0;  // of an attempt, of the response that is retried, or that a fault injects
  loop::Duration delay{0};
  // Of an attempt: from the request's start, and its length.
  loop::Duration began{0};
  loop::Duration took{0};
  BreakerNow breaker = BreakerNow::kUnknown;  // of its endpoint, when it had ended
};

// One thing that was decided or considered. `positive`: the route or endpoint was chosen, the
// policy or limit let the request pass, the fault or retry took place, the attempt was answered.
template <typename Text>
struct BasicDecision {
  DecisionKind kind;
  bool positive;
  Text subject;
  Text reason;  // why, or why not
  loop::Instant at{};
  DecisionNumbers numbers{};
};
using Decision = BasicDecision<std::string_view>;

// The reason with the numbers, in words.
std::string ReasonInWords(const Decision& decision);

}  // namespace tulle::recorder
