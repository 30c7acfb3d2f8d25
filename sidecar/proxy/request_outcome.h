#pragma once

#include "sidecar/proxy/decision_record.h"

namespace tulle::proxy {

// Whether a status of gRPC is the server's fault. Source: OpenTelemetry's conventions for RPC.
bool IsGrpcServerError(int status);

// Whether a request that has ended counts as failed, for the flight recorder and for traces. An
// error that a route gives as its answer is one of the mesh, such as that of an unknown host.
// `grpc_status` -1: none.
bool HasFailed(const DecisionRecord& record, int grpc_status);

}  // namespace tulle::proxy
