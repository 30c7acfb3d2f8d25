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

}  // namespace tulle::proxy
