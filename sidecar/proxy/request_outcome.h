#pragma once

#include "sidecar/proxy/decision_record.h"
#include "sidecar/proxy/relay_record.h"

namespace tulle::proxy {

// Whether a status of gRPC is the server's fault. Source: OpenTelemetry's conventions for RPC.
bool IsGrpcServerError(int status);

// Whether a request that has ended counts as failed, for log, flight recorder and traces. An
// error that a route gives as its answer is one of the mesh, such as that of an unknown host.
// `grpc_status` -1: none.
bool HasFailed(const DecisionRecord& record, int grpc_status);
// Of a failed request: it broke a rule, or left before it had its answer.
bool IsCallersError(const DecisionRecord& record);

// Whether a relayed connection counts as failed: that a client leaves is how most of them end.
bool HasFailed(const RelayRecord& record);

}  // namespace tulle::proxy
