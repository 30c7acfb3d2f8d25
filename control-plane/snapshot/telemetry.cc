#include "control-plane/snapshot/telemetry.h"

#include <utility>

#include "control-plane/snapshot/collectors.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/trace/v3/http_tracer.pb.h"
#include "envoy/config/trace/v3/zipkin.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.pb.h"
#include "telemetry/access_log_format.h"

namespace tulle::snapshot {
namespace {

using envoy::config::accesslog::v3::AccessLog;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using Provider = envoy::config::trace::v3::Tracing::Http;

// The control plane that a proxy is connected to: an Envoy's bootstrap calls its cluster so.
constexpr char kControlPlane[] = "tulle-control";
constexpr char kStandardOutput[] = "/dev/stdout";
constexpr double kDefaultSampling = 1;  // percent

// The keys of Istio's JSON log, and the cause.
constexpr std::pair<const char*, const char*> kJsonLog[] = {
    {"authority", "%REQ(:AUTHORITY)%"},
    {"bytes_received", "%BYTES_RECEIVED%"},
    {"bytes_sent", "%BYTES_SENT%"},
    {"cause", "%DYNAMIC_METADATA(tulle:cause)%"},  // ours: of a failure; Envoys have none
    {"connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"},
    {"downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"},
    {"downstream_peer", "%DOWNSTREAM_PEER_URI_SAN%"},
    {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
    {"duration", "%DURATION%"},
    {"grpc_status", "%GRPC_STATUS%"},
    {"method", "%REQ(:METHOD)%"},
    {"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
    {"protocol", "%PROTOCOL%"},
    {"request_id", "%REQ(X-REQUEST-ID)%"},
    {"requested_server_name", "%REQUESTED_SERVER_NAME%"},
    {"response_code", "%RESPONSE_CODE%"},
    {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
    {"response_flags", "%RESPONSE_FLAGS%"},
    {"route_name", "%ROUTE_NAME%"},
    {"start_time", "%START_TIME%"},
    {"trace_id", "%TRACE_ID%"},
    {"upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"},
    {"upstream_host", "%UPSTREAM_HOST%"},
    {"upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"},
    {"upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"},
    {"upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
    {"user_agent", "%REQ(USER-AGENT)%"},
    {"x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"},
};

void SetOtlp(const std::string& cluster, Provider* provider) {
  envoy::config::trace::v3::OpenTelemetryConfig config;
  config.mutable_grpc_service()->mutable_envoy_grpc()->set_cluster_name(cluster);
  provider->set_name("envoy.tracers.opentelemetry");
  Pack(config, provider->mutable_typed_config());
}

void SetOtlpHttp(const CollectorAddress& collector, Provider* provider) {
  envoy::config::trace::v3::OpenTelemetryConfig config;
  collector.SetService(config.mutable_http_service());
  provider->set_name("envoy.tracers.opentelemetry");
  Pack(config, provider->mutable_typed_config());
}

void SetZipkin(const CollectorAddress& collector, Provider* provider) {
  envoy::config::trace::v3::ZipkinConfig config;
  config.set_collector_cluster(collector.ClusterName());
  config.set_collector_endpoint(collector.path);
  config.set_collector_endpoint_version(envoy::config::trace::v3::ZipkinConfig::HTTP_JSON);
  config.set_collector_hostname(collector.address);
  config.set_trace_id_128bit(true);
  config.mutable_shared_span_context()->set_value(false);
  provider->set_name("envoy.tracers.zipkin");
  Pack(config, provider->mutable_typed_config());
}

void SetProvider(const Telemetry& telemetry, Provider* provider) {
  const policy::TracingPolicy& tracing = telemetry.tracing;
  switch (tracing.protocol.value_or(policy::TraceProtocol::kOtlp)) {
    case policy::TraceProtocol::kOtlp:
      return SetOtlp(telemetry.collector, provider);
    case policy::TraceProtocol::kOtlpHttp:
      return SetOtlpHttp(CollectorAddress(tracing), provider);
    case policy::TraceProtocol::kZipkin:
      return SetZipkin(CollectorAddress(tracing), provider);
  }
}

void AddFileLog(const Telemetry& telemetry, AccessLog* log) {
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(telemetry.log_file);
  if (telemetry.access_log.form == policy::AccessLogForm::kJson) {
    auto* fields = file.mutable_log_format()->mutable_json_format()->mutable_fields();
    for (const auto& [key, value] : kJsonLog) (*fields)[key].set_string_value(value);
  } else {
    file.mutable_log_format()->mutable_text_format_source()->set_inline_string(
        std::string(telemetry::kIstioLine));
  }
  log->set_name("envoy.access_loggers.file");
  Pack(file, log->mutable_typed_config());
}

// The line without its end, or the attributes of the JSON object. Resource labels of Envoy's own
// would name no service.
void AddCollectorLog(const policy::AccessLogPolicy& policy, AccessLog* log) {
  envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig config;
  const CollectorAddress collector(policy);
  if (collector.path.empty()) {
    config.mutable_grpc_service()->mutable_envoy_grpc()->set_cluster_name(collector.ClusterName());
  } else {
    collector.SetService(config.mutable_http_service());
  }
  if (policy.form == policy::AccessLogForm::kJson) {
    for (const auto& [key, value] : kJsonLog) {
      auto* attribute = config.mutable_attributes()->add_values();
      attribute->set_key(key);
      attribute->mutable_value()->set_string_value(value);
    }
  } else {
    config.mutable_body()->set_string_value(
        std::string(telemetry::kIstioLine.substr(0, telemetry::kIstioLine.size() - 1)));
  }
  log->set_name("envoy.access_loggers.open_telemetry");
  Pack(config, log->mutable_typed_config());
}

}  // namespace

Telemetry MakeTelemetry(const discovery::Mesh& mesh, const policy::TelemetryPolicy* policy) {
  Telemetry telemetry;
  telemetry.log_file = mesh.access_log_file;
  telemetry.collector = kControlPlane;
  if (policy == nullptr) return telemetry;
  if (policy->access_log) {
    telemetry.access_log = *policy->access_log;
    if (telemetry.log_file.empty()) telemetry.log_file = kStandardOutput;
    if (telemetry.access_log.form == policy::AccessLogForm::kOff) telemetry.log_file.clear();
  }
  if (policy->tracing.collector)
    telemetry.collector = CollectorAddress(policy->tracing).ClusterName();
  telemetry.tracing = policy->tracing;
  return telemetry;
}

// Of several services of one workload the first that has a policy decides.
Telemetry MeshView::TelemetryOf(const discovery::Workload& workload) const {
  const policy::TelemetryPolicy* found = nullptr;
  for (const auto& service : workload.services) {
    if (found == nullptr) found = policies.TelemetryOf(service);
  }
  // Without a service: what holds for the namespace.
  if (workload.services.empty()) found = policies.TelemetryOf({workload.ns, ""});
  return MakeTelemetry(mesh, found);
}

Telemetry MeshView::MeshTelemetry() const {
  return MakeTelemetry(mesh, policies.TelemetryOf({"", ""}));
}

void AddAccessLog(
    const Telemetry& telemetry,
    google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>* logs) {
  if (telemetry.log_file.empty()) return;
  if (telemetry.access_log.collector) return AddCollectorLog(telemetry.access_log, logs->Add());
  AddFileLog(telemetry, logs->Add());
}

void SetTracing(const Telemetry& telemetry, HttpConnectionManager* manager) {
  auto* tracing = manager->mutable_tracing();
  tracing->mutable_client_sampling()->set_value(100);
  tracing->mutable_random_sampling()->set_value(
      telemetry.tracing.sampling.value_or(kDefaultSampling));
  tracing->mutable_overall_sampling()->set_value(100);
  tracing->mutable_spawn_upstream_span()->set_value(true);
  SetProvider(telemetry, tracing->mutable_provider());
}

void SetProviderOfControlPlane(envoy::config::trace::v3::Tracing::Http* provider) {
  SetOtlp(kControlPlane, provider);
}

void SetOwnTracing(const Telemetry& telemetry, envoy::config::listener::v3::FilterChain* chain) {
  const policy::TracingPolicy& tracing = telemetry.tracing;
  auto& all = (*chain->mutable_metadata()->mutable_filter_metadata())["tulle"];
  auto* own = (*all.mutable_fields())["tracing"].mutable_struct_value()->mutable_fields();
  // Whoever turns sampling off wants no span, unless it is asked for.
  const bool is_off = tracing.sampling == 0;
  (*own)["always_on_error"].set_bool_value(tracing.always_on_error.value_or(!is_off));
  if (tracing.slower_than && !is_off)
    (*own)["slower_than_ms"].set_number_value(static_cast<double>(tracing.slower_than->count()));
  if (tracing.rate_limit) (*own)["traces_per_second"].set_number_value(*tracing.rate_limit);
}

}  // namespace tulle::snapshot
