// The limit phase: local rate limits.

#include <algorithm>

#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

using RateLimit = policy::LocalRateLimit;

constexpr int kResourceExhausted = 8;

uint64_t WholeSeconds(policy::Nanoseconds time) {
  return static_cast<uint64_t>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

// The route's limit replaces the chain's of the same filter. Null: none is configured.
RateLimit* LimitFor(const Call& call, const config::RateLimitFilter& filter) {
  if (const route::Route* route = call.chosen.route) {
    const auto own = route->spec().rate_limits.find(filter.name);
    if (own != route->spec().rate_limits.end()) return own->second.get();
  }
  return filter.limit.get();
}

void NoteQuota(Call& call, const RateLimit& limit, const RateLimit::Verdict& verdict) {
  if (!limit.spec().tells_numbers) return;
  std::optional<RateLimitQuota>& quota = call.policy.quota;
  if (quota && quota->remaining <= verdict.remaining && !verdict.limited) return;
  quota = RateLimitQuota{verdict.limit, verdict.remaining, WholeSeconds(verdict.reset)};
}

void ExplainLimit(Call& call, const config::RateLimitFilter& filter,
                  const RateLimit::Verdict& verdict) {
  if (!verdict.limited) return;
  Explain(call, DecisionKind::kRateLimit, filter.name, !verdict.enforced,
          verdict.enforced ? "limit exceeded" : "limit exceeded, not enforced",
          {.used = verdict.limit - verdict.remaining, .allowed = verdict.limit});
}

Step Refuse(Call& call, const policy::RateLimitSpec& spec, const RateLimit::Verdict& verdict) {
  Answer& answer = FailureAnswer(call, {failures::kRateLimited}, spec.status);
  answer.grpc_status = spec.resource_exhausted ? kResourceExhausted : -1;
  http::HeaderMap& headers = answer.head->headers;
  if (spec.tells_retry_after) {
    const uint64_t seconds = std::max<uint64_t>(WholeSeconds(verdict.retry_after), 1);
    headers.Set(http::HeaderId::kRetryAfter, Decimal(call.arena, seconds));
  }
  for (const auto& [name, value] : spec.response_headers) headers.Add(name, value);
  return Step::Reply(answer);
}

}  // namespace

Step Limit(Call& call) {
  const auto& filters = call.chain.spec.rate_limits;
  if (filters.empty()) return Step::Continue();
  const policy::Subject subject = call.caller.AsSubject(call.request.head);
  const route::Route* route = call.chosen.route;
  const policy::LimitDescriptors* of_route =
      route == nullptr ? nullptr : route->spec().limit_descriptors.get();
  for (const config::RateLimitFilter& filter : filters) {
    RateLimit* limit = LimitFor(call, filter);
    if (limit == nullptr) continue;
    const RateLimit::Verdict verdict = limit->Take(subject, of_route, call.chosen.cluster(),
                                                   call.services.loop.Now().time_since_epoch(),
                                                   call.services.loop.random().Next());
    ExplainLimit(call, filter, verdict);
    if (verdict.counted) NoteQuota(call, *limit, verdict);
    if (verdict.enforced) return Refuse(call, limit->spec(), verdict);
    if (!verdict.limited) continue;
    for (const auto& [name, value] : limit->spec().unenforced_headers)
      call.request.head->headers.Add(name, value);
  }
  return Step::Continue();
}

}  // namespace tulle::proxy
