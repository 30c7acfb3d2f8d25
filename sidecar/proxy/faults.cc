// The phases that inject the faults which a policy asks for: a delay, then a failure.

#include "net/grpc/status.h"
#include "sidecar/policy/fault.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

// The fault that is configured for this request; null: none.
policy::FaultInjection* FaultFor(const Call& call) {
  policy::FaultInjection* fault = call.chain.spec.fault.get();
  const route::Route* route = call.chosen.route;
  if (route != nullptr && route->spec().fault != nullptr) fault = route->spec().fault.get();
  if (fault == nullptr || !fault->Matches(*call.request.head, call.chosen.cluster()))
    return nullptr;
  return fault;
}

bool Enter(Call& call, policy::FaultInjection& fault, std::string_view what,
           const DecisionNumbers& numbers) {
  const bool entered = call.policy.fault.TryEnter(fault);
  Explain(call, DecisionKind::kFault, what, entered,
          entered ? "injected" : "max_active_faults reached", numbers);
  return entered;
}

}  // namespace

Step DelayByFault(Call& call) {
  policy::FaultInjection* fault = FaultFor(call);
  if (fault == nullptr) return Step::Continue();
  const auto wait = fault->DrawDelay(*call.request.head, call.services.loop.random().Next());
  if (!wait || !Enter(call, *fault, "delay", {.delay = *wait})) return Step::Continue();
  call.record.delay_injected = true;
  return Step::Delay(*wait);
}

Step AbortByFault(Call& call) {
  policy::FaultInjection* fault = FaultFor(call);
  if (fault == nullptr) return Step::Continue();
  const auto abort = fault->DrawAbort(*call.request.head, call.services.loop.random().Next());
  if (!abort) return Step::Continue();
  const bool grpc = abort->grpc_status >= 0;
  const int status =
      grpc ? grpc::HttpOfCode(static_cast<grpc::Code>(abort->grpc_status)) : abort->status;
  if (!Enter(call, *fault, "abort", {.status = status})) return Step::Continue();
  Answer& answer = FailureAnswer(call, {failures::kFaultInjected}, status);
  answer.grpc_status = abort->grpc_status;
  return Step::Reply(answer);
}

}  // namespace tulle::proxy
