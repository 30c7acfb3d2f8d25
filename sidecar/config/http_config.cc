// Converts the HTTP connection manager and maps its filters onto fixed phases.
#include "sidecar/config/http_config.h"

#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/grpc_stats.pb.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "sidecar/config/access_log_config.h"
#include "sidecar/config/limit_config.h"
#include "sidecar/config/rbac_config.h"
#include "sidecar/config/route_config.h"
#include "sidecar/config/tracing_config.h"
#include "sidecar/config/upgrade_config.h"

namespace tulle::config {
namespace {

namespace http_manager_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace core = envoy::config::core::v3;
namespace filters = envoy::extensions::filters::http;
using Manager = http_manager_v3::HttpConnectionManager;

absl::Status ReadCodec(const Manager& manager, const FieldPath& at, HttpSpec& spec) {
  switch (manager.codec_type()) {
    case Manager::AUTO:
      spec.codec = CodecChoice::kAuto;
      return absl::OkStatus();
    case Manager::HTTP1:
      spec.codec = CodecChoice::kHttp1;
      return absl::OkStatus();
    case Manager::HTTP2:
      spec.codec = CodecChoice::kHttp2;
      return absl::OkStatus();
    default:
      return (at / "codec_type").Error("HTTP3 is not implemented: use AUTO, HTTP1 or HTTP2");
  }
}

EscapedSlashes ToEscapedSlashes(Manager::PathWithEscapedSlashesAction action) {
  switch (action) {
    case Manager::REJECT_REQUEST:
      return EscapedSlashes::kReject;
    case Manager::UNESCAPE_AND_REDIRECT:
      return EscapedSlashes::kUnescapeAndRedirect;
    case Manager::UNESCAPE_AND_FORWARD:
      return EscapedSlashes::kUnescapeAndForward;
    default:
      return EscapedSlashes::kKeep;
  }
}

ClientCertForwarding ToForwarding(Manager::ForwardClientCertDetails details) {
  switch (details) {
    case Manager::FORWARD_ONLY:
      return ClientCertForwarding::kForwardOnly;
    case Manager::APPEND_FORWARD:
      return ClientCertForwarding::kAppendForward;
    case Manager::SANITIZE_SET:
      return ClientCertForwarding::kSanitizeSet;
    case Manager::ALWAYS_FORWARD_ONLY:
      return ClientCertForwarding::kAlwaysForwardOnly;
    default:
      return ClientCertForwarding::kSanitize;
  }
}

// An inline table may only name existing clusters, unless validate_clusters is false.
absl::Status CheckClusters(const route::RouteTable& table, const ListenerConversion& conversion,
                           const FieldPath& at) {
  for (const std::string& cluster : table.clusters()) {
    if (conversion.knows_cluster(cluster)) continue;
    return at.Error(absl::StrCat("unknown cluster '", cluster,
                                 "': add it, or set validate_clusters: false "
                                 "if it is added later"));
  }
  return absl::OkStatus();
}

absl::Status ReadRoutes(const Manager& manager, ListenerConversion& conversion, const FieldPath& at,
                        HttpSpec& spec) {
  if (manager.has_rds()) {
    spec.rds_name = manager.rds().route_config_name();
    if (spec.rds_name.empty()) return (at / "rds.route_config_name").Error("is required");
    conversion.route_names.insert(spec.rds_name);
    return absl::OkStatus();
  }
  if (!manager.has_route_config()) return at.Error("needs rds or route_config");
  const FieldPath here = at / "route_config";
  auto table = ToRouteTable(manager.route_config(), *conversion.files, here, &conversion.notes);
  if (!table.ok()) return table.status();
  spec.routes = *std::move(table);
  const bool validate = !manager.route_config().has_validate_clusters() ||
                        manager.route_config().validate_clusters().value();
  return validate ? CheckClusters(*spec.routes, conversion, here) : absl::OkStatus();
}

absl::Status ReadTimes(const Manager& manager, const FieldPath& at, HttpSpec& spec) {
  TULLE_READ_MILLISECONDS(manager, stream_idle_timeout, at, spec.stream_idle_timeout);
  TULLE_READ_MILLISECONDS(manager, request_timeout, at, spec.request_timeout);
  TULLE_READ_MILLISECONDS(manager, request_headers_timeout, at, spec.request_headers_timeout);
  TULLE_READ_MILLISECONDS(manager, drain_timeout, at, spec.drain_timeout);
  const auto& options = manager.common_http_protocol_options();
  const FieldPath here = at / "common_http_protocol_options";
  TULLE_READ_MILLISECONDS(options, idle_timeout, here, spec.idle_timeout);
  TULLE_READ_MILLISECONDS(options, max_connection_duration, here, spec.max_connection_age);
  TULLE_READ_MILLISECONDS(options, max_stream_duration, here, spec.max_stream_duration);
  return absl::OkStatus();
}

absl::Status ReadLimits(const Manager& manager, const FieldPath& at, HttpSpec& spec) {
  if (manager.has_max_request_headers_kb()) {
    spec.head_kib = manager.max_request_headers_kb().value();
    if (spec.head_kib == 0 || spec.head_kib > 8192) {
      return (at / "max_request_headers_kb").Error("must be 1 to 8192");
    }
  }
  const auto& options = manager.common_http_protocol_options();
  if (options.has_max_headers_count()) {
    spec.header_count = options.max_headers_count().value();
    if (spec.header_count == 0) {
      return (at / "common_http_protocol_options.max_headers_count").Error("must be at least 1");
    }
  }
  if (manager.http2_protocol_options().has_max_concurrent_streams()) {
    spec.http2_concurrent_streams =
        manager.http2_protocol_options().max_concurrent_streams().value();
    if (spec.http2_concurrent_streams == 0 || spec.http2_concurrent_streams > 0x7fffffff) {
      return (at / "http2_protocol_options.max_concurrent_streams")
          .Error("must be 1 to 2147483647");
    }
  }
  const auto underscores = options.headers_with_underscores_action();
  if (underscores == core::HttpProtocolOptions::REJECT_REQUEST) {
    spec.underscores = UnderscoreAction::kRefuseRequest;
  } else if (underscores == core::HttpProtocolOptions::DROP_HEADER) {
    spec.underscores = UnderscoreAction::kDropHeader;
  }
  spec.max_requests_per_connection = options.max_requests_per_connection().value();
  return absl::OkStatus();
}

absl::Status ReadUpgrades(const Manager& manager, const FieldPath& at, HttpSpec& spec) {
  return ToUpgrades(manager.upgrade_configs(), at / "upgrade_configs", spec.upgrades);
}

absl::Status ReadRequestId(const Manager& manager, const FieldPath& at) {
  using envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
  if (!manager.has_request_id_extension() ||
      manager.request_id_extension().typed_config().Is<UuidRequestIdConfig>()) {
    return absl::OkStatus();
  }
  return (at / "request_id_extension.typed_config")
      .Error("only UuidRequestIdConfig is implemented");
}

// These have no counterpart in our phases, and change nothing as they are accepted.
bool IsWithoutEffect(const google::protobuf::Any& config) {
  return config.Is<filters::grpc_stats::v3::FilterConfig>() || config.Is<filters::cors::v3::Cors>();
}

absl::Status ReadFault(const google::protobuf::Any& config, const FieldPath& at, HttpSpec& spec) {
  if (spec.injects_faults) return at.Error("duplicate fault filter: only one is allowed");
  filters::fault::v3::HTTPFault message;
  config.UnpackTo(&message);
  auto fault = ToFault(message, at / "typed_config");
  if (!fault.ok()) return fault.status();
  spec.fault = *std::move(fault);
  spec.injects_faults = true;
  return absl::OkStatus();
}

absl::Status ReadRateLimit(const http_manager_v3::HttpFilter& filter, const FieldPath& at,
                           HttpSpec& spec) {
  if (spec.injects_faults) {
    return at.Error("rate limits apply before faults: move this filter before the fault filter");
  }
  filters::local_ratelimit::v3::LocalRateLimit message;
  filter.typed_config().UnpackTo(&message);
  auto limit = ToRateLimit(message, at / "typed_config");
  if (!limit.ok()) return limit.status();
  spec.rate_limits.push_back({filter.name(), *std::move(limit)});
  return absl::OkStatus();
}

absl::Status ReadFilter(const http_manager_v3::HttpFilter& filter, const FieldPath& at, bool last,
                        HttpSpec& spec) {
  const auto& config = filter.typed_config();
  const bool is_router = config.Is<filters::router::v3::Router>();
  if (is_router != last) {
    return at.Error(is_router ? "the router must be the last filter"
                              : "the last filter must be envoy.filters.http.router");
  }
  if (is_router || filter.disabled() || IsWithoutEffect(config)) return absl::OkStatus();
  if (config.Is<filters::fault::v3::HTTPFault>()) return ReadFault(config, at, spec);
  if (config.Is<filters::local_ratelimit::v3::LocalRateLimit>())
    return ReadRateLimit(filter, at, spec);
  if (!spec.rate_limits.empty() || spec.injects_faults) {
    return at.Error(
        "authorization precedes limits and faults: move this filter before "
        "envoy.filters.http.local_ratelimit and envoy.filters.http.fault");
  }
  filters::rbac::v3::RBAC rbac;
  if (!config.UnpackTo(&rbac)) {
    if (filter.is_optional()) return absl::OkStatus();
    return at.Error(absl::StrCat("the filter '", filter.name(), "' (", config.type_url(),
                                 ") is not implemented: remove it or set is_optional"));
  }
  auto authorization = ToAuthorization(rbac, at / "typed_config");
  if (!authorization.ok()) return authorization.status();
  spec.authorization.push_back(*std::move(authorization));
  return absl::OkStatus();
}

absl::Status ReadFilters(const Manager& manager, const FieldPath& at, HttpSpec& spec) {
  const int count = manager.http_filters_size();
  if (count == 0) return (at / "http_filters").Error("needs at least envoy.filters.http.router");
  for (int i = 0; i < count; ++i) {
    const FieldPath here = (at / "http_filters")[static_cast<size_t>(i)];
    if (auto status = ReadFilter(manager.http_filters(i), here, i == count - 1, spec); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HttpSpec> ToHttp(const Manager& manager, ListenerConversion& conversion,
                                const FieldPath& at) {
  HttpSpec spec;
  spec.stat_prefix = manager.stat_prefix();
  spec.accepts_http10 = manager.http_protocol_options().accept_http_10();
  spec.http10_authority = manager.http_protocol_options().default_host_for_http_10();
  if (spec.stat_prefix.empty()) return (at / "stat_prefix").Error("is required");
  if (!manager.server_name().empty()) spec.server_name = manager.server_name();
  if (manager.has_normalize_path()) spec.normalize_path = manager.normalize_path().value();
  // The field cannot say that it is unset: paths that are normalized have their slashes merged too.
  spec.merge_slashes = manager.merge_slashes() || spec.normalize_path;
  spec.escaped_slashes = ToEscapedSlashes(manager.path_with_escaped_slashes_action());
  spec.use_remote_address = manager.use_remote_address().value();
  if (manager.has_generate_request_id()) {
    spec.generate_request_id = manager.generate_request_id().value();
  }
  spec.via = manager.via();
  spec.preserve_request_id = manager.preserve_external_request_id();
  spec.request_id_in_response = manager.always_set_request_id_in_response();
  spec.forwarding = ToForwarding(manager.forward_client_cert_details());
  const auto& details = manager.set_current_client_cert_details();
  spec.forward_subject = details.subject().value();
  spec.forward_uri = details.uri();
  spec.forward_dns = details.dns();
  for (const auto read : {ReadCodec, ReadTimes, ReadLimits, ReadUpgrades, ReadFilters}) {
    if (auto status = read(manager, at, spec); !status.ok()) return status;
  }
  auto status = ReadRequestId(manager, at);
  status.Update(ReadRoutes(manager, conversion, at, spec));
  if (!status.ok()) return status;
  auto tracing = ToTracing(manager.tracing(), at / "tracing", &conversion.notes);
  if (!tracing.ok()) return tracing.status();
  spec.tracing = *std::move(tracing);
  auto logs = ToAccessLogs(manager.access_log(), *conversion.files, at / "access_log");
  if (!logs.ok()) return logs.status();
  spec.access_logs = *std::move(logs);
  return spec;
}

}  // namespace tulle::config
