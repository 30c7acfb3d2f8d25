#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tulle::config {

// What a collector receives.
enum class Signal : uint8_t { kTraces, kLogs };

// How it is sent: grpc_service or http_service of envoy.config.trace.v3.OpenTelemetryConfig and
// envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig, or
// envoy.config.trace.v3.ZipkinConfig.
enum class ExportProtocol : uint8_t { kOtlpGrpc, kOtlpHttp, kZipkin };

// Where spans or log records are sent. Two of the same content are the same collector.
struct CollectorSpec {
  Signal signal = Signal::kTraces;
  ExportProtocol protocol = ExportProtocol::kOtlpGrpc;
  std::string cluster;
  std::string authority;                                     // empty: the cluster's name
  std::string http_path;                                     // without gRPC
  std::vector<std::pair<std::string, std::string>> headers;  // initial_metadata, or of the POST
  std::string service_name;                                  // empty: the workload's
  // Of the resource, instead of ours of the same name.
  std::vector<std::pair<std::string, std::string>> resource;

  bool operator==(const CollectorSpec&) const = default;
};

}  // namespace tulle::config
