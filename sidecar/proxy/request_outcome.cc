#include "sidecar/proxy/request_outcome.h"

namespace tulle::proxy {

bool IsGrpcServerError(int status) {
  return status == 2 || status == 4 || (status >= 12 && status <= 15);
}

bool HasFailed(const DecisionRecord& record, int grpc_status) {
  const bool answered_here = record.routed.cluster.empty();
  return record.failure || record.status >= (answered_here ? 400 : 500) ||
         IsGrpcServerError(grpc_status);
}

bool IsCallersError(const DecisionRecord& record) {
  const FailureFacts& facts = record.failure.facts();
  if (record.failure && facts.origin == FailureOrigin::kDownstream) return true;
  const int status = record.failure ? facts.status : record.status;
  return status >= 400 && status < 500;
}

bool HasFailed(const RelayRecord& record) {
  return record.failure && !record.reset_after_end &&
         record.failure.facts().origin != FailureOrigin::kDownstream;
}

}  // namespace tulle::proxy
