// May this caller do this? Judged per request, on the normalised path.

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"

namespace tulle::proxy {

Step Exchange::Authorize() {
  for (const auto& authorization : chain_.spec.authorization) {
    const policy::Verdict verdict =
        authorization->Decide(connection_.caller().AsSubject(request_)).verdict;
    if (verdict.allowed) continue;
    record_.policy = verdict.policy;
    return Respond({FailureKind::kDenied});
  }
  return Step::kContinue;
}

}  // namespace tulle::proxy
