// The authorize phase: may this caller do this? Decided for each request on the normalised path,
// and for an upgraded stream again whenever the rules change.

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"

namespace tulle::proxy {
namespace {

// False: denied; record.policy names the policy.
bool Allowed(Call& call, const config::HttpSpec& spec, const http::Head& head) {
  for (const auto& authorization : spec.authorization) {
    const policy::Verdict verdict = authorization->Decide(call.caller.AsSubject(&head)).verdict;
    if (call.decisions != nullptr) {
      call.decisions->Add(DecisionKind::kAuthorization, verdict.policy, verdict.allowed,
                          verdict.policy.empty() ? "no policy matched" : "policy matched");
    }
    if (verdict.allowed) continue;
    call.record.policy = call.arena.Copy(verdict.policy);
    return false;
  }
  return true;
}

}  // namespace

Step Authorize(Call& call) {
  const http::Head& head = *call.request.head;
  if (head.upgrade_wanted) call.policy.authorized = http::CopyHead(head, call.arena);
  if (!Allowed(call, call.chain.spec, head)) return Fail(call, {failures::kDenied});
  return Step::Continue();
}

bool StillAuthorized(Call& call, const config::HttpSpec& spec) {
  return call.policy.authorized == nullptr || Allowed(call, spec, *call.policy.authorized);
}

}  // namespace tulle::proxy
