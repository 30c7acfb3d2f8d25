// The gRPC services of sidecars beside xDS: certificates (tulle.ca.v1) and registration
// (tulle.registry.v1). Thread: the loop's. `plane` outlives the registry of methods.
#pragma once

#include "absl/status/status.h"
#include "control-plane/server/control_plane.h"
#include "net/grpc/service.h"
#include "net/http/head.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::server {

// Of the certificate authority and the registry: many times what an honest sidecar sends.
inline constexpr size_t kLargestRequest = 64 * 1024;
inline constexpr size_t kLargestReport = 640 * 1024;   // 512 KiB of a sidecar's configuration
inline constexpr size_t kLargestExport = 1024 * 1024;  // of spans; a sidecar sends 256 KiB
inline constexpr char kInsightPath[] = "/tulle.insight.v1.Insight/Connect";
inline constexpr char kXdsNeedsCertificate[] =
    "xDS requires a certificate of the mesh: start the sidecar with --token-file";

void AddCertificateAuthority(loop::Loop& loop, ControlPlane* plane,
                             grpc::ServiceRegistry* services);
void AddRegistry(ControlPlane* plane, grpc::ServiceRegistry* services);
// OTLP: opentelemetry.proto.collector.trace.v1.TraceService.
void AddTraceCollector(ControlPlane* plane, grpc::ServiceRegistry* services);
// tulle.insight.v1: what sidecars see of their traffic. AdmitCall() lets no one in without a
// certificate, by which the reports are attributed.
void AddInsight(ControlPlane* plane, loop::Loop* loop, grpc::ServiceRegistry* services);

// Whether the head of a call allows to read on. Everyone may ask for the trust bundle; everything
// else requires a certificate that is not revoked or a join token, and xDS a certificate.
grpc::Status AdmitCall(ControlPlane& plane, const http::Head& head, const Transport& transport);

// The codes of both have the same numbers.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace tulle::server
