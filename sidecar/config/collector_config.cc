#include "sidecar/config/collector_config.h"

#include <algorithm>

namespace tulle::config {

absl::Status ReadCollector(const envoy::config::core::v3::GrpcService& service, const FieldPath& at,
                           CollectorSpec& spec) {
  if (!service.has_envoy_grpc())
    return (at / "envoy_grpc").Error("is required: it names the collector's cluster");
  spec.protocol = ExportProtocol::kOtlpGrpc;
  spec.cluster = service.envoy_grpc().cluster_name();
  if (spec.cluster.empty()) return (at / "envoy_grpc.cluster_name").Error("is required");
  spec.authority = service.envoy_grpc().authority();
  for (const auto& header : service.initial_metadata())
    spec.headers.emplace_back(header.key(), header.value());
  return absl::OkStatus();
}

absl::Status ReadCollector(const envoy::config::core::v3::HttpService& service,
                           std::string_view default_path, const FieldPath& at,
                           CollectorSpec& spec) {
  spec.protocol = ExportProtocol::kOtlpHttp;
  spec.cluster = service.http_uri().cluster();
  if (spec.cluster.empty()) return (at / "http_uri.cluster").Error("is required");
  std::string_view uri = service.http_uri().uri();
  const size_t scheme = uri.find("://");
  if (scheme == std::string_view::npos)
    return (at / "http_uri.uri").Error("must be a URI, like http://collector:4318/v1/traces");
  uri.remove_prefix(scheme + 3);
  const size_t path = std::min(uri.find('/'), uri.size());
  spec.authority = uri.substr(0, path);
  spec.http_path = path == uri.size() ? default_path : uri.substr(path);
  for (const auto& option : service.request_headers_to_add())
    spec.headers.emplace_back(option.header().key(), option.header().value());
  return absl::OkStatus();
}

}  // namespace tulle::config
