// The gRPC services of sidecars beside xDS: certificates (tulle.ca.v1) and registration
// (tulle.registry.v1). Thread: the loop's. `plane` outlives the registry of methods.
#pragma once

#include "absl/status/status.h"
#include "control-plane/server/control_plane.h"
#include "net/grpc/service.h"

namespace tulle::server {

// Of the certificate authority and the registry: many times what an honest sidecar sends.
inline constexpr size_t kLargestRequest = 64 * 1024;

void AddCertificateAuthority(ControlPlane* plane, grpc::ServiceRegistry* services);
void AddRegistry(ControlPlane* plane, grpc::ServiceRegistry* services);
// OTLP: opentelemetry.proto.collector.trace.v1.TraceService.
void AddTraceCollector(ControlPlane* plane, grpc::ServiceRegistry* services);

// The codes of both have the same numbers.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace tulle::server
