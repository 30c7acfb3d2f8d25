#include "control-plane/snapshot/balancing.h"
#include "control-plane/snapshot/members.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/owners.h"
#include "control-plane/snapshot/tls.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;

using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
using policy::Protocol;
using std::chrono::milliseconds;

constexpr char kHttpOptions[] = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

// What holds when no policy says otherwise.
constexpr milliseconds kConnectTimeout{3000};
constexpr milliseconds kPoolIdleTimeout{300000};
constexpr milliseconds kDnsRefresh{5000};
constexpr milliseconds kBreakerOpen{1000};
constexpr milliseconds kBreakerMaxOpen{60000};
constexpr uint32_t kBreakerRun = 5;
constexpr uint32_t kBreakerMaxOpenPercent = 50;  // unless a policy asks for a breaker
constexpr uint32_t kMaxConnections = 4096;
constexpr uint32_t kMaxPending = 4096;
constexpr uint32_t kMaxRequests = 16384;
constexpr uint32_t kRetryBudgetPercent = 20;
constexpr uint32_t kRetryMinConcurrent = 3;
constexpr uint32_t kMaxUpstreamStreams = 100;

void SetHttp(Protocol protocol, const policy::PoolPolicy& pools, clusterv3::Cluster* cluster) {
  if (protocol == Protocol::kTcp) return;
  HttpProtocolOptions options;
  auto* common = options.mutable_common_http_protocol_options();
  SetDuration(pools.idle_timeout.value_or(kPoolIdleTimeout), common->mutable_idle_timeout());
  if (pools.max_requests_per_connection) {
    common->mutable_max_requests_per_connection()->set_value(*pools.max_requests_per_connection);
  }
  if (pools.max_connection_age) {
    SetDuration(*pools.max_connection_age, common->mutable_max_connection_duration());
  }
  if (protocol == Protocol::kAuto) {
    auto* as_called = options.mutable_use_downstream_protocol_config();
    as_called->mutable_http_protocol_options();
    as_called->mutable_http2_protocol_options()->mutable_max_concurrent_streams()->set_value(
        kMaxUpstreamStreams);
  } else if (protocol == Protocol::kGrpc) {
    options.mutable_explicit_http_config()
        ->mutable_http2_protocol_options()
        ->mutable_max_concurrent_streams()
        ->set_value(kMaxUpstreamStreams);
  } else {
    options.mutable_explicit_http_config()->mutable_http_protocol_options();
  }
  Pack(options, &(*cluster->mutable_typed_extension_protocol_options())[kHttpOptions]);
}

void SetLimits(const policy::ResiliencePolicy& policy, clusterv3::Cluster* cluster) {
  const policy::LimitPolicy& limits = policy.limits;
  auto* threshold = cluster->mutable_circuit_breakers()->add_thresholds();
  threshold->mutable_max_connections()->set_value(limits.max_connections.value_or(kMaxConnections));
  threshold->mutable_max_pending_requests()->set_value(
      limits.max_pending_requests.value_or(kMaxPending));
  threshold->mutable_max_requests()->set_value(limits.max_requests.value_or(kMaxRequests));
  auto* budget = threshold->mutable_retry_budget();
  budget->mutable_budget_percent()->set_value(
      policy.retries.budget_percent.value_or(kRetryBudgetPercent));
  budget->mutable_min_retry_concurrency()->set_value(
      policy.retries.budget_min_concurrent.value_or(kRetryMinConcurrent));
}

// Whether a policy asks for a breaker.
bool HasBreaker(const policy::BreakerPolicy& breaker) {
  return breaker.consecutive_failures || breaker.on || breaker.open_for || breaker.max_open_for ||
         breaker.max_open_percent;
}

// What nobody asked for must not turn one bad path into an outage: only endpoints that cannot be
// reached are left out, and at most half of them.
void SetDefaultBreaker(clusterv3::OutlierDetection* outlier) {
  outlier->set_split_external_local_origin_errors(true);
  outlier->mutable_enforcing_consecutive_5xx()->set_value(0);
  outlier->mutable_enforcing_consecutive_gateway_failure()->set_value(0);
  outlier->mutable_consecutive_local_origin_failure()->set_value(kBreakerRun);
  outlier->mutable_enforcing_consecutive_local_origin_failure()->set_value(100);
  outlier->mutable_enforcing_local_origin_success_rate()->set_value(0);
  outlier->mutable_max_ejection_percent()->set_value(kBreakerMaxOpenPercent);
}

// Every detector is named: an absent one would be Envoy's default and be on.
void SetBreaker(const policy::BreakerPolicy& breaker, clusterv3::Cluster* cluster) {
  const uint32_t run = breaker.consecutive_failures.value_or(kBreakerRun);
  if (run == 0) return;
  const bool counts_all = breaker.on == policy::BreakerTrigger::kAll5xx;
  const milliseconds open = breaker.open_for.value_or(kBreakerOpen);
  clusterv3::OutlierDetection* outlier = cluster->mutable_outlier_detection();
  outlier->mutable_consecutive_5xx()->set_value(run);
  outlier->mutable_enforcing_consecutive_5xx()->set_value(counts_all ? 100 : 0);
  outlier->mutable_consecutive_gateway_failure()->set_value(run);
  outlier->mutable_enforcing_consecutive_gateway_failure()->set_value(counts_all ? 0 : 100);
  outlier->mutable_enforcing_success_rate()->set_value(0);
  SetDuration(std::min(open, milliseconds(1000)), outlier->mutable_interval());
  SetDuration(open, outlier->mutable_base_ejection_time());
  SetDuration(breaker.max_open_for.value_or(std::max(open, kBreakerMaxOpen)),
              outlier->mutable_max_ejection_time());
  // A time that a policy sets is exact.
  SetDuration(breaker.open_for ? milliseconds(0) : open / 2,
              outlier->mutable_max_ejection_time_jitter());
  outlier->mutable_max_ejection_percent()->set_value(breaker.max_open_percent.value_or(100));
  if (!HasBreaker(breaker)) SetDefaultBreaker(outlier);
}

clusterv3::Cluster MakeOutbound(const std::string& name, Protocol protocol,
                                const policy::ResiliencePolicy* policy) {
  static const policy::ResiliencePolicy kNoPolicy;
  const policy::ResiliencePolicy& said = policy == nullptr ? kNoPolicy : *policy;
  clusterv3::Cluster cluster;
  cluster.set_name(name);
  cluster.set_type(clusterv3::Cluster::EDS);
  SetAds(cluster.mutable_eds_cluster_config()->mutable_eds_config());
  SetDuration(said.timeouts.connect.value_or(kConnectTimeout), cluster.mutable_connect_timeout());
  SetBalancing(said, &cluster);
  SetLimits(said, &cluster);
  SetBreaker(said.breaker, &cluster);
  SetHealthCheck(said, &cluster);
  if (said.pools.max_idle_connections) {
    auto* fields =
        (*cluster.mutable_metadata()->mutable_filter_metadata())["tulle"].mutable_fields();
    (*fields)["max_idle_connections"].set_number_value(*said.pools.max_idle_connections);
  }
  SetHttp(protocol, said.pools, &cluster);
  return cluster;
}

// Resolved by each proxy for itself: what DNS says differs by place.
void SetDns(const policy::ExternalService& external, uint32_t port, clusterv3::Cluster* cluster) {
  const bool is_logical = external.resolution == policy::Resolution::kLogicalDns;
  cluster->clear_eds_cluster_config();
  cluster->set_type(is_logical ? clusterv3::Cluster::LOGICAL_DNS : clusterv3::Cluster::STRICT_DNS);
  cluster->set_respect_dns_ttl(true);
  SetDuration(kDnsRefresh, cluster->mutable_dns_refresh_rate());
  cluster->set_dns_lookup_family(clusterv3::Cluster::V4_PREFERRED);
  cluster->mutable_load_assignment()->set_cluster_name(cluster->name());
  SetAddress(external.hosts[0], port,
             cluster->mutable_load_assignment()
                 ->add_endpoints()
                 ->add_lb_endpoints()
                 ->mutable_endpoint()
                 ->mutable_address());
}

// A meshed endpoint takes mTLS, any other plaintext; the endpoint's own metadata decides.
void SetTransport(const MeshView& view, const std::string& host, uint32_t port, Protocol protocol,
                  const std::set<std::string>& identities, clusterv3::Cluster* cluster) {
  auto* mesh = cluster->add_transport_socket_matches();
  mesh->set_name("mesh");
  (*mesh->mutable_match()->mutable_fields())[kMeshKey].set_string_value(kMeshValue);
  SetUpstreamTls(SniOf(host, port), identities, view.mesh.trust_domain, protocol,
                 mesh->mutable_transport_socket());
  auto* raw = cluster->add_transport_socket_matches();
  raw->set_name("raw");
  raw->mutable_match();
  SetRaw(raw->mutable_transport_socket());
}

}  // namespace

void AddClustersOf(const MeshView& view, const discovery::ServiceName& name,
                   const discovery::Service& service, ResourceTable* clusters) {
  const std::string host = discovery::HostOf(name);
  const policy::ResiliencePolicy* policy = view.policies.ResilienceOf(name);
  const policy::Document* source = view.policies.ResilienceSourceOf(name);
  for (const auto& [number, port] : service.ports) {
    const std::string cluster_name = OutboundCluster(host, number);
    clusterv3::Cluster cluster = MakeOutbound(cluster_name, port.protocol, policy);
    SetClusterOwners(source, &cluster);
    SetTransport(view, host, number, port.protocol, service.identities, &cluster);
    AddResource(cluster_name, cluster, clusters);
    if (port.protocol != Protocol::kAuto) continue;
    const std::string bytes_name = BytesCluster(host, number);
    clusterv3::Cluster bytes = MakeOutbound(bytes_name, Protocol::kTcp, policy);
    SetClusterOwners(source, &bytes);
    bytes.mutable_eds_cluster_config()->set_service_name(cluster_name);
    SetTransport(view, host, number, Protocol::kTcp, service.identities, &bytes);
    AddResource(bytes_name, bytes, clusters);
  }
}

void AddMemberClusters(const MeshView& view, const Member& member, ResourceTable* clusters) {
  const std::string host = discovery::HostOf(member.service);
  const auto add = [&](const std::string& name, Protocol protocol) {
    clusterv3::Cluster cluster =
        MakeOutbound(name, protocol, view.policies.ResilienceOf(member.service));
    SetClusterOwners(view.policies.ResilienceSourceOf(member.service), &cluster);
    cluster.clear_eds_cluster_config();
    cluster.set_type(clusterv3::Cluster::STATIC);
    cluster.mutable_load_assignment()->set_cluster_name(name);
    AddMemberEndpoint(member, cluster.mutable_load_assignment());
    SetTransport(view, host, member.service_port, protocol, {member.workload->spiffe_id}, &cluster);
    AddResource(name, cluster, clusters);
  };
  add(member.Cluster(), member.protocol);
  if (member.protocol == Protocol::kAuto) add(member.BytesCluster(), Protocol::kTcp);
}

void AddExternalClusters(const MeshView& view, ResourceTable* clusters) {
  for (const policy::ExternalService* external : view.ExternalServices()) {
    for (const policy::ExternalPort& port : external->ports) {
      const std::string name = OutboundCluster(external->hosts[0], port.number);
      clusterv3::Cluster cluster = MakeOutbound(name, port.protocol, nullptr);
      if (external->resolution != policy::Resolution::kStatic)
        SetDns(*external, port.number, &cluster);
      AddResource(name, cluster, clusters);
    }
  }
}

void AddSecrets(const MeshView& view, ResourceTable* secrets) {
  if (view.mesh.trust_bundle_pem.empty()) return;
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.set_name(kRootSecret);
  auto* validation = secret.mutable_validation_context();
  validation->mutable_trusted_ca()->set_inline_bytes(view.mesh.trust_bundle_pem);
  if (!view.mesh.revocations_pem.empty()) {
    validation->mutable_crl()->set_inline_bytes(view.mesh.revocations_pem);
  }
  AddResource(kRootSecret, secret, secrets);
}

}  // namespace tulle::snapshot
