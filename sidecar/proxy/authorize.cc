// May this caller do this? Judged per request, on the normalised path; once upgraded, again with
// each change of the rules.

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"

namespace tulle::proxy {

Step Exchange::Authorize() {
  if (request_->upgrade_wanted) authorized_ = http::CopyHead(*request_, arena_);
  for (const auto& authorization : chain_.spec.authorization) {
    const policy::Verdict verdict =
        authorization->Decide(connection_.caller().AsSubject(request_)).verdict;
    if (verdict.allowed) continue;
    record_.policy = verdict.policy;
    return Respond({FailureKind::kDenied});
  }
  return Step::kContinue;
}

void Exchange::JudgeUpgraded(const config::HttpSpec& spec) {
  if (!upgraded_) return;
  for (const auto& authorization : spec.authorization) {
    const policy::Verdict verdict =
        authorization->Decide(connection_.caller().AsSubject(authorized_)).verdict;
    if (verdict.allowed) continue;
    record_.policy = arena_.Copy(verdict.policy);
    return Abort({FailureKind::kDenied, "the rules have changed"});
  }
}

}  // namespace tulle::proxy
