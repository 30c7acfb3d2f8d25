#include "control-plane/snapshot/collectors.h"

#include <arpa/inet.h>

#include <chrono>
#include <string_view>
#include <variant>

#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

constexpr std::chrono::milliseconds kCollectorConnectTimeout{3000};
constexpr std::chrono::milliseconds kCollectorTimeout{10000};

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
  SetDuration(kCollectorConnectTimeout, cluster.mutable_connect_timeout());
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

// Of HOST:PORT/PATH.
std::string PathOf(const std::string& collector, std::string_view default_path) {
  const size_t path = collector.find('/');
  return path == std::string::npos ? std::string(default_path) : collector.substr(path);
}

void AddCollector(const CollectorAddress& address, ResourceTable* clusters) {
  const clusterv3::Cluster cluster = MakeCollector(address);
  AddResource(cluster.name(), cluster, clusters);
}

}  // namespace

CollectorAddress::CollectorAddress(const policy::TracingPolicy& tracing)
    : address(tracing.collector->substr(0, tracing.collector->find('/'))) {
  const auto protocol = tracing.protocol.value_or(policy::TraceProtocol::kOtlp);
  if (protocol == policy::TraceProtocol::kOtlp) return;
  const bool is_zipkin = protocol == policy::TraceProtocol::kZipkin;
  path = PathOf(*tracing.collector, is_zipkin ? "/api/v2/spans" : "/v1/traces");
}

CollectorAddress::CollectorAddress(const policy::AccessLogPolicy& log)
    : address(log.collector->substr(0, log.collector->find('/'))) {
  if (log.protocol == policy::LogProtocol::kOtlpHttp) path = PathOf(*log.collector, "/v1/logs");
}

void CollectorAddress::SetService(envoy::config::core::v3::HttpService* service) const {
  auto* uri = service->mutable_http_uri();
  uri->set_uri("http://" + address + path);
  uri->set_cluster(ClusterName());
  SetDuration(kCollectorTimeout, uri->mutable_timeout());
}

void AddCollectors(const MeshView& view, ResourceTable* clusters) {
  for (const auto& [key, document] : view.mesh.policies.documents()) {
    const auto* policy = std::get_if<policy::TelemetryPolicy>(&document->spec);
    if (policy == nullptr) continue;
    if (policy->tracing.collector) AddCollector(CollectorAddress(policy->tracing), clusters);
    if (policy->access_log && policy->access_log->collector)
      AddCollector(CollectorAddress(*policy->access_log), clusters);
  }
}

}  // namespace tulle::snapshot
