#include <algorithm>

#include "control-plane/snapshot/authorization.h"
#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/tls.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace listenerv3 = envoy::config::listener::v3;

using discovery::InboundPort;
using discovery::Workload;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
using policy::Protocol;
using std::chrono::milliseconds;

constexpr milliseconds kHandshakeTimeout{10000};
constexpr milliseconds kApplicationConnectTimeout{3000};
constexpr milliseconds kApplicationIdleTimeout{60000};
constexpr uint32_t kMaxApplicationConnections = 16384;

struct InboundSide {
  const MeshView& view;
  const InboundPort& port;
  AuthorizationRules rules;
};

HttpConnectionManager MakeManager(const InboundSide& side, bool is_mesh) {
  HttpConnectionManager manager =
      MakeHttpManager(side.view.mesh, InboundListener(side.port.listen_port));
  if (is_mesh) {
    manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE_SET);
    manager.mutable_set_current_client_cert_details()->mutable_subject()->set_value(true);
    manager.mutable_set_current_client_cert_details()->set_uri(true);
  } else {
    manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE);
  }
  if (side.rules.looks_at_paths) {
    manager.set_path_with_escaped_slashes_action(HttpConnectionManager::REJECT_REQUEST);
  }
  for (const auto* rules : {&side.rules.deny, &side.rules.allow}) {
    if (!*rules) continue;
    envoy::extensions::filters::http::rbac::v3::RBAC filter;
    *filter.mutable_rules() = **rules;
    AddHttpFilter("envoy.filters.http.rbac", filter, &manager);
  }
  AddRouter(&manager);
  auto* routes = manager.mutable_route_config();
  routes->set_name(InboundListener(side.port.listen_port));
  routes->mutable_validate_clusters()->set_value(false);
  auto* host = routes->add_virtual_hosts();
  host->set_name("inbound");
  host->add_domains("*");
  auto* route = host->add_routes();
  route->set_name("default");
  route->mutable_match()->set_prefix("/");
  route->mutable_route()->set_cluster(InboundCluster(side.port.application_port));
  SetDuration(milliseconds(0), route->mutable_route()->mutable_timeout());
  return manager;
}

void AddBytes(const InboundSide& side, listenerv3::FilterChain* chain) {
  for (const auto* rules : {&side.rules.deny, &side.rules.allow}) {
    if (!*rules) continue;
    envoy::extensions::filters::network::rbac::v3::RBAC filter;
    *filter.mutable_rules() = **rules;
    filter.set_stat_prefix(InboundListener(side.port.listen_port));
    AddNetworkFilter("envoy.filters.network.rbac", filter, chain);
  }
  AddTcpProxy(side.view.mesh, InboundCluster(side.port.application_port), chain);
}

void AddTraffic(const InboundSide& side, bool is_mesh, listenerv3::FilterChain* chain) {
  if (side.port.protocol == Protocol::kTcp) {
    AddBytes(side, chain);
  } else {
    AddHttpManager(MakeManager(side, is_mesh), chain);
  }
}

void AddMeshChain(const InboundSide& side, listenerv3::Listener* listener) {
  const bool is_http = side.port.protocol != Protocol::kTcp;
  listenerv3::FilterChain* chain = listener->add_filter_chains();
  chain->set_name(is_http ? "mesh-http" : "mesh-bytes");
  auto* match = chain->mutable_filter_chain_match();
  match->set_transport_protocol("tls");
  for (const char* name : {"istio-h2", "h2", "istio-http/1.1", "http/1.1"}) {
    if (is_http) match->add_application_protocols(name);
  }
  if (!is_http) match->add_application_protocols("istio");
  SetDuration(kHandshakeTimeout, chain->mutable_transport_socket_connect_timeout());
  // Chosen among h2 and http/1.1 only: a codec is picked by what was answered, and no codec is
  // named istio-h2.
  SetDownstreamTls(
      side.view.mesh.trust_domain,
      is_http ? std::vector<std::string>{"h2", "http/1.1"} : std::vector<std::string>{"istio"},
      chain->mutable_transport_socket());
  AddTraffic(side, true, chain);
}

void AddPlainChains(const InboundSide& side, listenerv3::Listener* listener) {
  listenerv3::FilterChain* raw = listener->add_filter_chains();
  raw->set_name("raw");
  raw->mutable_filter_chain_match()->set_transport_protocol("raw_buffer");
  AddTraffic(side, false, raw);
  if (side.port.protocol != Protocol::kTcp) return;
  // TLS that is not the mesh's is the application's own: passed unterminated.
  listenerv3::FilterChain* own = listener->add_filter_chains();
  own->set_name("application-tls");
  own->mutable_filter_chain_match()->set_transport_protocol("tls");
  AddTraffic(side, false, own);
}

bool IsStrict(const MeshView& view, const Workload& workload) {
  return std::any_of(workload.services.begin(), workload.services.end(), [&](const auto& service) {
    return view.mesh.policies.MtlsModeOf(service) == policy::MtlsMode::kStrict;
  });
}

listenerv3::Listener MakeListener(const MeshView& view, const Workload& workload,
                                  const InboundPort& port) {
  const InboundSide side{
      view, port, RulesFor(view.mesh.policies, view.mesh.trust_domain, workload.services, port)};
  listenerv3::Listener listener;
  listener.set_name(InboundListener(port.listen_port));
  listener.set_traffic_direction(envoy::config::core::v3::INBOUND);
  SetAddress(workload.address, port.listen_port, listener.mutable_address());
  auto* inspector = listener.add_listener_filters();
  inspector->set_name("envoy.filters.listener.tls_inspector");
  Pack(envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector(),
       inspector->mutable_typed_config());
  SetDuration(kHandshakeTimeout, listener.mutable_listener_filters_timeout());
  AddMeshChain(side, &listener);
  if (!IsStrict(view, workload)) AddPlainChains(side, &listener);
  return listener;
}

clusterv3::Cluster MakeApplicationCluster(const InboundPort& port) {
  clusterv3::Cluster cluster;
  cluster.set_name(InboundCluster(port.application_port));
  cluster.set_type(clusterv3::Cluster::STATIC);
  SetDuration(kApplicationConnectTimeout, cluster.mutable_connect_timeout());
  auto* threshold = cluster.mutable_circuit_breakers()->add_thresholds();
  threshold->mutable_max_connections()->set_value(kMaxApplicationConnections);
  threshold->mutable_max_pending_requests()->set_value(kMaxApplicationConnections);
  threshold->mutable_max_requests()->set_value(kMaxApplicationConnections);
  auto* assignment = cluster.mutable_load_assignment();
  assignment->set_cluster_name(cluster.name());
  SetAddress(
      "127.0.0.1", port.application_port,
      assignment->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address());
  if (port.protocol == Protocol::kTcp) return cluster;
  HttpProtocolOptions options;
  SetDuration(kApplicationIdleTimeout,
              options.mutable_common_http_protocol_options()->mutable_idle_timeout());
  if (port.protocol == Protocol::kGrpc) {
    options.mutable_explicit_http_config()->mutable_http2_protocol_options();
  } else {
    options.mutable_explicit_http_config()->mutable_http_protocol_options();
  }
  Pack(options, &(*cluster.mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
  return cluster;
}

}  // namespace

void AddInbound(const MeshView& view, const Workload& workload, Snapshot* snapshot) {
  for (const InboundPort& port : workload.inbound) {
    const clusterv3::Cluster cluster = MakeApplicationCluster(port);
    AddResource(cluster.name(), cluster, &snapshot->clusters);
    const listenerv3::Listener listener = MakeListener(view, workload, port);
    AddResource(listener.name(), listener, &snapshot->listeners);
  }
}

}  // namespace tulle::snapshot
