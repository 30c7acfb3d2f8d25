// The gRPC services of sidecars beside xDS: certificates (tulle.ca.v1) and registration
// (tulle.registry.v1). Thread: the loop's. `plane` outlives the registry of methods.
#ifndef TULLE_CONTROL_PLANE_SERVER_GRPC_SERVICES_H_
#define TULLE_CONTROL_PLANE_SERVER_GRPC_SERVICES_H_

#include <absl/status/status.h>

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

#endif  // TULLE_CONTROL_PLANE_SERVER_GRPC_SERVICES_H_
