// How sidecars tell what they do: access log and tracing, from TelemetryPolicy and the control
// plane's own defaults. Pure; any thread.
#pragma once

#include <string>

#include "control-plane/discovery/mesh.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace tulle::snapshot {

struct Telemetry {
  std::string log_file;  // empty: what failed alone
  policy::AccessLogForm log_form = policy::AccessLogForm::kIstio;
  std::string collector;  // its cluster
  double sampling = 1;    // percent
};

Telemetry MakeTelemetry(const discovery::Mesh& mesh, const policy::TelemetryPolicy* policy);
void AddAccessLog(
    const Telemetry& telemetry,
    google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>* logs);
void SetTracing(
    const Telemetry& telemetry,
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager*
        manager);

}  // namespace tulle::snapshot
