// What policy does to a request that may pass: rate limits, and faults that somebody asked for.

#include "sidecar/policy/fault.h"
#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

// What Envoy answers to a caller that does not speak gRPC.
int HttpStatusOf(int grpc_status) {
  switch (grpc_status) {
    case 0:
      return 200;
    case 1:
      return 499;
    case 3:
    case 9:
    case 11:
      return 400;
    case 4:
      return 504;
    case 5:
      return 404;
    case 6:
    case 10:
      return 409;
    case 7:
      return 403;
    case 8:
      return 429;
    case 12:
      return 501;
    case 14:
      return 503;
    case 16:
      return 401;
    default:
      return 500;
  }
}

uint64_t WholeSeconds(policy::Nanoseconds time) {
  return static_cast<uint64_t>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

}  // namespace

Step Exchange::Limit() {
  if (chain_.spec.rate_limits.empty()) return Delay();
  const policy::Subject subject = connection_.caller().AsSubject(request_);
  const policy::LimitDescriptors* of_route =
      route_ == nullptr ? nullptr : route_->spec().limit_descriptors.get();
  const std::string_view cluster = target_ == nullptr ? std::string_view() : target_->cluster;
  for (const config::RateLimitFilter& filter : chain_.spec.rate_limits) {
    policy::LocalRateLimit* limit = filter.limit.get();
    if (route_ != nullptr) {
      const auto own = route_->spec().rate_limits.find(filter.name);
      if (own != route_->spec().rate_limits.end()) limit = own->second.get();
    }
    if (limit == nullptr) continue;
    const policy::LocalRateLimit::Verdict verdict =
        limit->Take(subject, of_route, cluster, services_.loop.Now().time_since_epoch(),
                    services_.loop.random().Next());
    if (verdict.counted) TakeLimit(*limit, verdict);
    if (verdict.enforced) return RefuseByLimit(*limit, verdict);
    if (!verdict.limited) continue;
    for (const auto& [name, value] : limit->spec().unenforced_headers)
      request_->headers.Add(name, value);
  }
  return Delay();
}

// The numbers that the answer tells: those of the bucket that is nearest to its end.
void Exchange::TakeLimit(const policy::LocalRateLimit& limit,
                         const policy::LocalRateLimit::Verdict& verdict) {
  if (!limit.spec().tells_numbers) return;
  if (limit_told_ && limit_told_->remaining <= verdict.remaining && !verdict.limited) return;
  limit_told_ = LimitTold{verdict.limit, verdict.remaining, WholeSeconds(verdict.reset)};
}

Step Exchange::RefuseByLimit(const policy::LocalRateLimit& limit,
                             const policy::LocalRateLimit::Verdict& verdict) {
  const policy::RateLimitSpec& spec = limit.spec();
  policy_answer_.status = spec.status;
  if (spec.resource_exhausted) policy_answer_.grpc_status = 8;
  if (spec.tells_retry_after)
    policy_answer_.retry_after = std::max<uint64_t>(WholeSeconds(verdict.retry_after), 1);
  policy_answer_.headers = &spec.response_headers;
  return Respond({FailureKind::kRateLimited});
}

policy::FaultInjection* Exchange::Fault() const {
  if (!chain_.spec.injects_faults) return nullptr;
  policy::FaultInjection* fault = chain_.spec.fault.get();
  if (route_ != nullptr && route_->spec().fault != nullptr) fault = route_->spec().fault.get();
  if (fault == nullptr) return nullptr;
  const std::string_view cluster = target_ == nullptr ? std::string_view() : target_->cluster;
  return fault->Matches(*request_, cluster) ? fault : nullptr;
}

// What comes after the delay is Prepare.
Step Exchange::Delay() {
  policy::FaultInjection* fault = Fault();
  if (fault == nullptr) return Step::kContinue;
  const auto wait = fault->DrawDelay(*request_, services_.loop.random().Next());
  if (!wait || !EnterFault(*fault)) return Step::kContinue;
  record_.delay_injected = true;
  services_.deadlines.Set(back_off_, *wait);
  return Step::kPause;
}

Step Exchange::FailOnPurpose() {
  policy::FaultInjection* fault = Fault();
  if (fault == nullptr) return Step::kContinue;
  const auto answer = fault->DrawAbort(*request_, services_.loop.random().Next());
  if (!answer || !EnterFault(*fault)) return Step::kContinue;
  policy_answer_.status =
      answer->grpc_status >= 0 ? HttpStatusOf(answer->grpc_status) : answer->status;
  policy_answer_.grpc_status = answer->grpc_status;
  return Respond({FailureKind::kFaultInjected});
}

bool Exchange::EnterFault(policy::FaultInjection& fault) {
  if (active_fault_ == &fault) return true;
  if (!fault.TryEnter()) return false;
  active_fault_ = &fault;
  return true;
}

void Exchange::LeaveFault() {
  if (active_fault_ != nullptr) active_fault_->Leave();
  active_fault_ = nullptr;
}

}  // namespace tulle::proxy
