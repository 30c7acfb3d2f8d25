#include "control-plane/snapshot/telemetry.h"

#include <arpa/inet.h>

#include <set>
#include <utility>

#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/trace/v3/http_tracer.pb.h"
#include "envoy/config/trace/v3/zipkin.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "telemetry/access_log_format.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using Provider = envoy::config::trace::v3::Tracing::Http;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

// The control plane that a proxy is connected to: an Envoy's bootstrap calls its cluster so.
constexpr char kControlPlane[] = "tulle-control";
constexpr char kStandardOutput[] = "/dev/stdout";
constexpr std::chrono::milliseconds kConnectTimeout{3000};
constexpr std::chrono::milliseconds kExportTimeout{10000};
constexpr double kDefaultSampling = 1;  // percent

// The keys of Istio's JSON log.
constexpr std::pair<const char*, const char*> kJsonLog[] = {
    {"authority", "%REQ(:AUTHORITY)%"},
    {"bytes_received", "%BYTES_RECEIVED%"},
    {"bytes_sent", "%BYTES_SENT%"},
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

// Where a policy sends spans.
struct CollectorAddress {
  std::string address;  // HOST:PORT
  std::string path;     // by HTTP; empty: by gRPC

  explicit CollectorAddress(const policy::TracingPolicy& tracing)
      : address(tracing.collector->substr(0, tracing.collector->find('/'))) {
    const auto protocol = tracing.protocol.value_or(policy::TraceProtocol::kOtlp);
    if (protocol == policy::TraceProtocol::kOtlp) return;
    path = tracing.collector->substr(address.size());
    if (!path.empty()) return;
    path = protocol == policy::TraceProtocol::kZipkin ? "/api/v2/spans" : "/v1/traces";
  }
  // One for each address and version of HTTP.
  std::string ClusterName() const {
    return (path.empty() ? "collector|" : "collector-http|") + address;
  }
};

std::string HostOf(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

bool IsAddress(const std::string& host) {
  in6_addr scratch;
  return inet_pton(AF_INET, host.c_str(), &scratch) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
}

clusterv3::Cluster MakeCollector(const CollectorAddress& collector) {
  const std::string& address = collector.address;
  const std::string host = HostOf(address);
  clusterv3::Cluster cluster;
  cluster.set_name(collector.ClusterName());
  cluster.set_type(IsAddress(host) ? clusterv3::Cluster::STATIC : clusterv3::Cluster::STRICT_DNS);
  SetDuration(kConnectTimeout, cluster.mutable_connect_timeout());
  auto* assignment = cluster.mutable_load_assignment();
  assignment->set_cluster_name(cluster.name());
  SetAddress(
      host, static_cast<uint32_t>(std::stoul(address.substr(address.rfind(':') + 1))),
      assignment->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address());
  if (!collector.path.empty()) return cluster;
  HttpProtocolOptions options;
  options.mutable_explicit_http_config()->mutable_http2_protocol_options();
  Pack(options, &(*cluster.mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
  return cluster;
}

void SetOtlp(const std::string& cluster, Provider* provider) {
  envoy::config::trace::v3::OpenTelemetryConfig config;
  config.mutable_grpc_service()->mutable_envoy_grpc()->set_cluster_name(cluster);
  provider->set_name("envoy.tracers.opentelemetry");
  Pack(config, provider->mutable_typed_config());
}

void SetOtlpHttp(const Telemetry& telemetry, const CollectorAddress& collector,
                 Provider* provider) {
  envoy::config::trace::v3::OpenTelemetryConfig config;
  auto* uri = config.mutable_http_service()->mutable_http_uri();
  uri->set_uri("http://" + collector.address + collector.path);
  uri->set_cluster(telemetry.collector);
  SetDuration(kExportTimeout, uri->mutable_timeout());
  provider->set_name("envoy.tracers.opentelemetry");
  Pack(config, provider->mutable_typed_config());
}

void SetZipkin(const Telemetry& telemetry, const CollectorAddress& collector, Provider* provider) {
  envoy::config::trace::v3::ZipkinConfig config;
  config.set_collector_cluster(telemetry.collector);
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
      return SetOtlpHttp(telemetry, CollectorAddress(tracing), provider);
    case policy::TraceProtocol::kZipkin:
      return SetZipkin(telemetry, CollectorAddress(tracing), provider);
  }
}

}  // namespace

Telemetry MakeTelemetry(const discovery::Mesh& mesh, const policy::TelemetryPolicy* policy) {
  Telemetry telemetry;
  telemetry.log_file = mesh.access_log_file;
  telemetry.collector = kControlPlane;
  if (policy == nullptr) return telemetry;
  if (policy->access_log) {
    telemetry.log_form = *policy->access_log;
    if (telemetry.log_file.empty()) telemetry.log_file = kStandardOutput;
    if (telemetry.log_form == policy::AccessLogForm::kOff) telemetry.log_file.clear();
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
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(telemetry.log_file);
  if (telemetry.log_form == policy::AccessLogForm::kJson) {
    auto* fields = file.mutable_log_format()->mutable_json_format()->mutable_fields();
    for (const auto& [key, value] : kJsonLog) (*fields)[key].set_string_value(value);
  } else {
    file.mutable_log_format()->mutable_text_format_source()->set_inline_string(
        std::string(telemetry::kIstioLine));
  }
  auto* log = logs->Add();
  log->set_name("envoy.access_loggers.file");
  Pack(file, log->mutable_typed_config());
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
  // Whoever turns tracing off wants no span at all.
  const bool is_off = tracing.sampling == 0;
  (*own)["always_on_error"].set_bool_value(tracing.always_on_error && !is_off);
  if (tracing.slower_than && !is_off)
    (*own)["slower_than_ms"].set_number_value(static_cast<double>(tracing.slower_than->count()));
  if (tracing.rate_limit) (*own)["traces_per_second"].set_number_value(*tracing.rate_limit);
}

void AddCollectors(const MeshView& view, ResourceTable* clusters) {
  for (const auto& [key, document] : view.mesh.policies.documents()) {
    const auto* policy = std::get_if<policy::TelemetryPolicy>(&document->spec);
    if (policy == nullptr || !policy->tracing.collector) continue;
    const clusterv3::Cluster cluster = MakeCollector(CollectorAddress(policy->tracing));
    AddResource(cluster.name(), cluster, clusters);
  }
}

}  // namespace tulle::snapshot
