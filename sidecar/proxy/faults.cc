// The phases that inject the faults which a policy asks for: a delay, then a failure.

#include "sidecar/policy/fault.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

// What Envoy answers to a caller that does not use gRPC.
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

// The fault that is configured for this request; null: none.
policy::FaultInjection* FaultFor(const Call& call) {
  policy::FaultInjection* fault = call.chain.spec.fault.get();
  const route::Route* route = call.chosen.route;
  if (route != nullptr && route->spec().fault != nullptr) fault = route->spec().fault.get();
  if (fault == nullptr || !fault->Matches(*call.request.head, call.chosen.cluster()))
    return nullptr;
  return fault;
}

bool Enter(Call& call, policy::FaultInjection& fault, std::string_view what) {
  const bool entered = call.policy.fault.TryEnter(fault);
  if (call.decisions != nullptr) {
    call.decisions->Add(DecisionKind::kFault, what, entered,
                        entered ? "injected" : "max_active_faults reached");
  }
  return entered;
}

}  // namespace

Step DelayByFault(Call& call) {
  policy::FaultInjection* fault = FaultFor(call);
  if (fault == nullptr) return Step::Continue();
  const auto wait = fault->DrawDelay(*call.request.head, call.services.loop.random().Next());
  if (!wait || !Enter(call, *fault, "delay")) return Step::Continue();
  call.record.delay_injected = true;
  return Step::Delay(*wait);
}

Step AbortByFault(Call& call) {
  policy::FaultInjection* fault = FaultFor(call);
  if (fault == nullptr) return Step::Continue();
  const auto abort = fault->DrawAbort(*call.request.head, call.services.loop.random().Next());
  if (!abort || !Enter(call, *fault, "abort")) return Step::Continue();
  const bool grpc = abort->grpc_status >= 0;
  Answer& answer = FailureAnswer(call, {failures::kFaultInjected},
                                 grpc ? HttpStatusOf(abort->grpc_status) : abort->status);
  answer.grpc_status = abort->grpc_status;
  return Step::Reply(answer);
}

}  // namespace tulle::proxy
