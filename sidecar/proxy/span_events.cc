#include "sidecar/proxy/span_events.h"

#include <array>
#include <charconv>

#include "sidecar/proxy/decisions.h"

namespace tulle::proxy {
namespace {

using telemetry::SpanWriter;

constexpr size_t kMostEvents = 32;

// Empty: not an event. The rest is in the attributes, explains configuration, or is a span:
// attempts.
std::string_view NameOf(const Decision& decision) {
  switch (decision.kind) {
    case DecisionKind::kRetry:
      return decision.positive ? "retry" : "retry refused";
    case DecisionKind::kAuthorization:
      return "denied";
    case DecisionKind::kRateLimit:
      return "rate limit";
    case DecisionKind::kFault:
      return decision.positive ? "fault" : "fault refused";
    case DecisionKind::kClusterLimit:
      return "cluster limit";
    case DecisionKind::kBreaker:
      return "circuit breaker";
    case DecisionKind::kRoute:
    case DecisionKind::kEndpoint:
    case DecisionKind::kBackend:
    case DecisionKind::kTimeout:
    case DecisionKind::kPolicy:
    case DecisionKind::kAttempt:
    case DecisionKind::kCount:
      break;
  }
  return {};
}

void PutLimit(const Decision& decision, SpanWriter& span) {
  span.Text("limit.name", decision.subject);
  span.Text("limit.result", decision.reason);
  span.Number("limit.used", decision.numbers.used);
  span.Number("limit.allowed", decision.numbers.allowed);
}

void PutFault(const Decision& decision, SpanWriter& span) {
  span.Text("fault.type", decision.subject);
  if (decision.numbers.status != 0)
    span.Number("fault.status", static_cast<uint64_t>(decision.numbers.status));
  const auto delay =
      std::chrono::duration_cast<std::chrono::milliseconds>(decision.numbers.delay).count();
  if (delay > 0) span.Number("fault.delay_ms", static_cast<uint64_t>(delay));
  if (!decision.positive) span.Text("fault.refusal", decision.reason);
}

// The status tells more than that it was one.
void PutRetry(const Decision& decision, SpanWriter& span) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), decision.numbers.status).ptr;
  span.Text("retry.reason",
            decision.numbers.status == 0
                ? decision.subject
                : std::string_view(digits.data(), static_cast<size_t>(end - digits.data())));
  if (!decision.positive) span.Text("retry.refusal", decision.reason);
}

void PutAttributes(const Decision& decision, SpanWriter& span) {
  switch (decision.kind) {
    case DecisionKind::kRetry:
      return PutRetry(decision, span);
    case DecisionKind::kRateLimit:
    case DecisionKind::kClusterLimit:
      return PutLimit(decision, span);
    case DecisionKind::kFault:
      return PutFault(decision, span);
    case DecisionKind::kAuthorization:
      span.Text("policy.name", decision.subject);
      return span.Text("policy.reason", decision.reason);
    case DecisionKind::kBreaker:
      span.Text("breaker.of", decision.subject);
      return span.Text("breaker.state", decision.reason);
    case DecisionKind::kRoute:
    case DecisionKind::kEndpoint:
    case DecisionKind::kBackend:
    case DecisionKind::kTimeout:
    case DecisionKind::kPolicy:
    case DecisionKind::kAttempt:
    case DecisionKind::kCount:
      break;
  }
}

}  // namespace

uint64_t WallNanoseconds(const DecisionRecord& record, loop::Instant at) {
  const auto passed = at > record.times.started ? at - record.times.started : loop::Duration(0);
  return static_cast<uint64_t>((record.times.wall_started.time_since_epoch() + passed).count());
}

void PutEvents(const EndedRequest& request, SpanWriter& span) {
  if (request.decisions == nullptr) return;
  size_t count = 0;
  request.decisions->ForEach([&](const Decision& decision) {
    const std::string_view name = NameOf(decision);
    if (name.empty() || count == kMostEvents) return;
    ++count;
    span.BeginEvent(WallNanoseconds(request.record, decision.at), name);
    PutAttributes(decision, span);
    span.EndEvent();
  });
}

}  // namespace tulle::proxy
