// How sidecars tell what they do: access log and tracing, from TelemetryPolicy and the control
// plane's own defaults. Pure; any thread.
#pragma once

#include <string>

#include "control-plane/discovery/mesh.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/trace/v3/http_tracer.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace tulle::snapshot {

struct Telemetry {
  std::string log_file;  // empty: what failed alone; not used with a collector
  policy::AccessLogPolicy access_log;
  std::string collector;  // the cluster of that of spans
  policy::TracingPolicy tracing;
};

Telemetry MakeTelemetry(const discovery::Mesh& mesh, const policy::TelemetryPolicy* policy);
void AddAccessLog(
    const Telemetry& telemetry,
    google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>* logs);
void SetTracing(
    const Telemetry& telemetry,
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager*
        manager);
// The control plane itself collects, as for a policy without a collector.
void SetProviderOfControlPlane(envoy::config::trace::v3::Tracing::Http* provider);
// What an HttpConnectionManager has no fields for, in metadata of its chain: Envoy passes over it,
// and so do sidecars of an earlier version.
void SetOwnTracing(const Telemetry& telemetry, envoy::config::listener::v3::FilterChain* chain);

}  // namespace tulle::snapshot
