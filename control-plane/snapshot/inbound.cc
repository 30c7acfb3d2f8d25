#include "control-plane/snapshot/authorization.h"
#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/inspectors.h"
#include "control-plane/snapshot/limits.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/owners.h"
#include "control-plane/snapshot/tls.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
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
// After which a client that says nothing is taken to wait for the server's word.
constexpr milliseconds kSilenceTimeout{5000};
constexpr milliseconds kApplicationConnectTimeout{3000};
constexpr milliseconds kApplicationIdleTimeout{60000};
constexpr uint32_t kMaxApplicationConnections = 16384;

// One port of one workload.
struct InboundSide {
  const MeshView& view;
  const Workload& workload;
  const InboundPort& port;
  AuthorizationRules http_rules;
  AuthorizationRules bytes_rules;
  Telemetry telemetry;
  // Of several services of one workload the first that says it decides.
  const policy::RateLimitPolicy* rate_limit = nullptr;
  discovery::ServiceName limited{};  // who says it
  const policy::FaultPolicy* fault = nullptr;
  const policy::Document* limited_by = nullptr;  // whose rate limit it is
  const policy::Document* faulty_by = nullptr;   // whose fault it is

  bool may_be_http() const { return port.protocol != Protocol::kTcp; }
  bool may_be_bytes() const {
    return port.protocol == Protocol::kTcp || port.protocol == Protocol::kAuto;
  }
  std::string cluster() const {
    return port.application_port == 0 ? kInboundPassthroughCluster
                                      : InboundCluster(port.application_port);
  }
};

// Whose policies hold. Those of the namespace and the mesh do for a workload without a service too:
// pods are called by their addresses.
std::vector<discovery::ServiceName> TargetsOf(const Workload& workload) {
  if (workload.services.empty()) return {{workload.ns, ""}};
  return workload.services;
}

AuthorizationRules RulesOf(const MeshView& view, const Workload& workload, InboundPort port,
                           bool is_http) {
  port.protocol = is_http ? Protocol::kHttp : Protocol::kTcp;
  return RulesFor(view.policies, view.mesh.trust_domain, TargetsOf(workload), port);
}

InboundSide MakeSide(const MeshView& view, const Workload& workload, const InboundPort& port) {
  InboundSide side{view,
                   workload,
                   port,
                   RulesOf(view, workload, port, true),
                   RulesOf(view, workload, port, false),
                   view.TelemetryOf(workload)};
  for (const auto& service : workload.services) {
    const policy::ResiliencePolicy* said = view.policies.OwnResilienceOf(service);
    const policy::Document* source = view.policies.OwnResilienceSourceOf(service);
    if (said == nullptr) continue;
    if (side.rate_limit == nullptr && said->rate_limit) {
      side.rate_limit = &*said->rate_limit;
      side.limited = service;
      side.limited_by = source;
    }
    if (side.fault == nullptr && said->fault) {
      side.fault = &*said->fault;
      side.faulty_by = source;
    }
  }
  return side;
}

// One to the application; where routes are limited apart, one for each match of theirs before it.
void AddRoutes(const InboundSide& side, envoy::config::route::v3::VirtualHost* host) {
  const bool apart = side.rate_limit != nullptr && side.rate_limit->key == policy::LimitKey::kRoute;
  std::vector<NamedMatch> matches;
  if (apart) matches = MatchesOf(side.view, side.limited, side.port.service_port);
  matches.emplace_back().name = "default";
  matches.back().match.set_prefix("/");
  for (NamedMatch& one : matches) {
    auto* route = host->add_routes();
    route->set_name(one.name);
    *route->mutable_match() = std::move(one.match);
    route->mutable_route()->set_cluster(side.cluster());
    SetDuration(milliseconds(0), route->mutable_route()->mutable_timeout());
    if (apart) SetLimitedRoute(one.name, route->mutable_route());
    if (side.limited_by != nullptr)
      SetOwner("rate_limited", *side.limited_by, "spec.rateLimit", route->mutable_metadata());
    if (side.faulty_by != nullptr)
      SetOwner("fault_injected", *side.faulty_by, "spec.fault", route->mutable_metadata());
  }
}

HttpConnectionManager MakeManager(const InboundSide& side, bool is_mesh) {
  const auto& services = side.workload.services;
  HttpConnectionManager manager =
      MakeHttpManager(side.telemetry, InboundListener(side.port.listen_port),
                      services.empty() ? "" : discovery::HostOf(services.front()));
  if (is_mesh) {
    manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE_SET);
    manager.mutable_set_current_client_cert_details()->mutable_subject()->set_value(true);
    manager.mutable_set_current_client_cert_details()->set_uri(true);
  } else {
    manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE);
  }
  if (side.http_rules.looks_at_paths) {
    manager.set_path_with_escaped_slashes_action(HttpConnectionManager::REJECT_REQUEST);
  }
  for (const auto* rules : {&side.http_rules.deny, &side.http_rules.allow}) {
    if (!*rules) continue;
    envoy::extensions::filters::http::rbac::v3::RBAC filter;
    *filter.mutable_rules() = **rules;
    AddHttpFilter("envoy.filters.http.rbac", filter, &manager);
  }
  if (side.rate_limit != nullptr) AddRateLimit(*side.rate_limit, &manager);
  if (side.fault != nullptr) AddFault(*side.fault, &manager);
  AddRouter(&manager);
  auto* routes = manager.mutable_route_config();
  routes->set_name(InboundListener(side.port.listen_port));
  routes->mutable_validate_clusters()->set_value(false);
  auto* host = routes->add_virtual_hosts();
  host->set_name("inbound");
  host->add_domains("*");
  AddRoutes(side, host);
  return manager;
}

void AddBytes(const InboundSide& side, listenerv3::FilterChain* chain) {
  for (const auto* rules : {&side.bytes_rules.deny, &side.bytes_rules.allow}) {
    if (!*rules) continue;
    envoy::extensions::filters::network::rbac::v3::RBAC filter;
    *filter.mutable_rules() = **rules;
    filter.set_stat_prefix(InboundListener(side.port.listen_port));
    AddNetworkFilter("envoy.filters.network.rbac", filter, chain);
  }
  AddTcpProxy(side.telemetry, side.cluster(), chain);
}

// For the metrics of the sidecar: of several services of a workload, the first.
void SetService(const InboundSide& side, listenerv3::FilterChain* chain) {
  if (side.workload.services.empty()) return;
  auto& own = (*chain->mutable_metadata()->mutable_filter_metadata())["tulle"];
  (*own.mutable_fields())["service"].set_string_value(
      discovery::HostOf(side.workload.services.front()));
}

// Of a transparent workload every port comes by one listener.
listenerv3::FilterChain* AddChain(const InboundSide& side, const std::string& name,
                                  const char* transport, listenerv3::Listener* listener) {
  listenerv3::FilterChain* chain = listener->add_filter_chains();
  chain->set_name(name);
  SetService(side, chain);
  if (side.workload.interception && side.port.listen_port != 0) {
    chain->set_name(std::to_string(side.port.listen_port) + "|" + name);
    chain->mutable_filter_chain_match()->mutable_destination_port()->set_value(
        side.port.listen_port);
  }
  chain->mutable_filter_chain_match()->set_transport_protocol(transport);
  return chain;
}

// `is_rest`: also for clients that offer no protocol of the mesh, or none: programs with a
// certificate of their own, without a sidecar.
void AddMeshChain(const InboundSide& side, bool is_http, bool is_rest,
                  listenerv3::Listener* listener) {
  listenerv3::FilterChain* chain =
      AddChain(side, is_http ? "mesh-http" : "mesh-bytes", "tls", listener);
  auto* match = chain->mutable_filter_chain_match();
  for (const char* name : {"istio-h2", "h2", "istio-http/1.1", "http/1.1"}) {
    if (is_http && !is_rest) match->add_application_protocols(name);
  }
  if (!is_http && !is_rest) match->add_application_protocols("istio");
  SetDuration(kHandshakeTimeout, chain->mutable_transport_socket_connect_timeout());
  // Chosen among h2 and http/1.1 only: a codec is picked by what was answered, and no codec is
  // named istio-h2.
  SetDownstreamTls(
      side.view.mesh.trust_domain,
      is_http ? std::vector<std::string>{"h2", "http/1.1"} : std::vector<std::string>{"istio"},
      chain->mutable_transport_socket());
  if (is_http) {
    AddHttpManager(side.telemetry, MakeManager(side, true), chain);
  } else {
    AddBytes(side, chain);
  }
}

void AddPlainChains(const InboundSide& side, listenerv3::Listener* listener) {
  if (side.may_be_http()) {
    listenerv3::FilterChain* http =
        AddChain(side, side.may_be_bytes() ? "raw-http" : "raw", "raw_buffer", listener);
    if (side.may_be_bytes()) AddInspectedHttp(http->mutable_filter_chain_match());
    AddHttpManager(side.telemetry, MakeManager(side, false), http);
  }
  if (!side.may_be_bytes()) return;
  AddBytes(side, AddChain(side, "raw", "raw_buffer", listener));
  // TLS that is not the mesh's is the application's own: passed unterminated.
  AddBytes(side, AddChain(side, "application-tls", "tls", listener));
}

// The policy that asks for STRICT. Null: none does.
const policy::Document* StrictBy(const MeshView& view, const Workload& workload) {
  for (const discovery::ServiceName& service : TargetsOf(workload)) {
    const policy::Document* document = view.policies.PeerAuthenticationOf(service);
    if (document == nullptr) continue;
    const auto& said = std::get<policy::PeerAuthentication>(document->spec);
    if (said.mode == policy::MtlsMode::kStrict) return document;
  }
  return nullptr;
}

bool IsStrict(const MeshView& view, const Workload& workload) {
  return StrictBy(view, workload) != nullptr;
}

// For the sidecar's log and metrics. Of the listener, not of its chains: a chain that changes ends
// its connections.
void SetStrictBy(const MeshView& view, const Workload& workload, listenerv3::Listener* listener) {
  const policy::Document* document = StrictBy(view, workload);
  if (document == nullptr) return;
  auto& own = (*listener->mutable_metadata()->mutable_filter_metadata())["tulle"];
  (*own.mutable_fields())["peer_authentication"].set_string_value(
      "ns[" + document->key.ns + "]-policy[" + document->key.name + "]-mode[STRICT]");
}

listenerv3::Listener MakeListener(const std::string& name, const std::string& address,
                                  uint32_t port) {
  listenerv3::Listener listener;
  listener.set_name(name);
  listener.set_traffic_direction(envoy::config::core::v3::INBOUND);
  SetAddress(address, port, listener.mutable_address());
  AddTlsInspector(&listener);
  SetDuration(kHandshakeTimeout, listener.mutable_listener_filters_timeout());
  return listener;
}

void AddChainsOf(const InboundSide& side, listenerv3::Listener* listener) {
  const bool is_strict = IsStrict(side.view, side.workload);
  // Elsewhere TLS of another kind is the application's own.
  const bool is_all_tls_ours = is_strict || !side.may_be_bytes();
  if (side.may_be_http()) AddMeshChain(side, true, is_all_tls_ours, listener);
  if (side.may_be_bytes()) {
    AddMeshChain(side, false, is_all_tls_ours && !side.may_be_http(), listener);
  }
  if (!is_strict) AddPlainChains(side, listener);
}

listenerv3::Listener MakePortListener(const MeshView& view, const Workload& workload,
                                      const InboundPort& port) {
  listenerv3::Listener listener =
      MakeListener(InboundListener(port.listen_port), workload.address, port.listen_port);
  SetStrictBy(view, workload, &listener);
  if (port.protocol == Protocol::kAuto) AddHttpInspector(&listener);
  AddChainsOf(MakeSide(view, workload, port), &listener);
  return listener;
}

// Without it, a connection to the proxy's own port would be forwarded to the proxy in a loop.
void AddLoopChain(const MeshView& view, uint32_t own_port, listenerv3::Listener* listener) {
  listenerv3::FilterChain* chain = listener->add_filter_chains();
  chain->set_name("loop");
  chain->mutable_filter_chain_match()->mutable_destination_port()->set_value(own_port);
  AddTcpProxy(view.MeshTelemetry(), kBlackHoleCluster, chain);
}

// Where redirected connections arrive, for every port of the workload. What is sent to a port that
// was not declared reaches it as bytes, under the rules that hold for the whole workload.
listenerv3::Listener MakeVirtualListener(const MeshView& view, const Workload& workload,
                                         const char* name, const char* address) {
  listenerv3::Listener listener = MakeListener(name, address, workload.interception->inbound_port);
  listener.mutable_use_original_dst()->set_value(true);
  SetStrictBy(view, workload, &listener);
  AddLoopChain(view, workload.interception->inbound_port, &listener);
  std::vector<uint32_t> declared;
  bool is_any_detected = false;
  for (const InboundPort& port : workload.inbound) {
    if (port.is_skipped) continue;
    AddChainsOf(MakeSide(view, workload, port), &listener);
    is_any_detected |= port.protocol == Protocol::kAuto;
    if (port.protocol != Protocol::kAuto) declared.push_back(port.listen_port);
  }
  if (is_any_detected) AddHttpInspector(&listener, declared);
  const InboundPort unknown{0, 0, 0, Protocol::kTcp};
  if (!IsStrict(view, workload)) {
    listener.set_continue_on_listener_filters_timeout(true);
    SetDuration(kSilenceTimeout, listener.mutable_listener_filters_timeout());
    AddPlainChains(MakeSide(view, workload, unknown), &listener);
  }
  return listener;
}

void SetApplicationHttp(Protocol protocol, clusterv3::Cluster* cluster) {
  if (protocol == Protocol::kTcp) return;
  HttpProtocolOptions options;
  SetDuration(kApplicationIdleTimeout,
              options.mutable_common_http_protocol_options()->mutable_idle_timeout());
  if (protocol == Protocol::kAuto) {
    options.mutable_use_downstream_protocol_config()->mutable_http_protocol_options();
    options.mutable_use_downstream_protocol_config()->mutable_http2_protocol_options();
  } else if (protocol == Protocol::kGrpc) {
    options.mutable_explicit_http_config()->mutable_http2_protocol_options();
  } else {
    options.mutable_explicit_http_config()->mutable_http_protocol_options();
  }
  Pack(options, &(*cluster->mutable_typed_extension_protocol_options())
                    ["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
}

clusterv3::Cluster MakeApplicationCluster(const InboundPort& port, bool is_transparent) {
  clusterv3::Cluster cluster;
  cluster.set_name(InboundCluster(port.application_port));
  SetDuration(kApplicationConnectTimeout, cluster.mutable_connect_timeout());
  auto* threshold = cluster.mutable_circuit_breakers()->add_thresholds();
  threshold->mutable_max_connections()->set_value(kMaxApplicationConnections);
  threshold->mutable_max_pending_requests()->set_value(kMaxApplicationConnections);
  threshold->mutable_max_requests()->set_value(kMaxApplicationConnections);
  SetApplicationHttp(port.protocol, &cluster);
  if (is_transparent) {
    SetOriginalDestination(true, &cluster);
    return cluster;
  }
  cluster.set_type(clusterv3::Cluster::STATIC);
  auto* assignment = cluster.mutable_load_assignment();
  assignment->set_cluster_name(cluster.name());
  SetAddress(
      "127.0.0.1", port.application_port,
      assignment->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address());
  return cluster;
}

}  // namespace

void AddInbound(const MeshView& view, const Workload& workload, Snapshot* snapshot) {
  const bool is_transparent = workload.interception.has_value();
  for (const InboundPort& port : workload.inbound) {
    if (port.is_skipped) continue;
    const clusterv3::Cluster cluster = MakeApplicationCluster(port, is_transparent);
    AddResource(cluster.name(), cluster, &snapshot->clusters);
    if (is_transparent) continue;
    const listenerv3::Listener listener = MakePortListener(view, workload, port);
    AddResource(listener.name(), listener, &snapshot->listeners);
  }
  if (!is_transparent) return;
  const auto add = [&](const char* name, const char* address) {
    AddResource(name, MakeVirtualListener(view, workload, name, address), &snapshot->listeners);
  };
  add(kVirtualInbound, "0.0.0.0");
  if (workload.interception->has_ipv6) add(kVirtualInbound6, "::");
}

}  // namespace tulle::snapshot
