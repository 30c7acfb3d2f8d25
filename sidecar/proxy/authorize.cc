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
  std::string_view allowed_by;
  for (const auto& authorization : spec.authorization) {
    const policy::Verdict verdict = authorization->Decide(call.caller.AsSubject(&head)).verdict;
    if (verdict.allowed) {
      if (!verdict.policy.empty()) allowed_by = verdict.policy;
      continue;
    }
    Explain(call, DecisionKind::kAuthorization, verdict.policy, false,
            verdict.policy.empty() ? "no policy allows it" : "policy matches");
    call.record.policy = call.arena.Copy(verdict.policy);
    return false;
  }
  // Views the rules of the call's own chain: others may end before the call.
  if (&spec == &call.chain.spec) call.record.policy = allowed_by;
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
