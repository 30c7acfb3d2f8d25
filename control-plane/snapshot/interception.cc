#include <algorithm>

#include "control-plane/snapshot/balancing.h"
#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/inspectors.h"
#include "control-plane/snapshot/members.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/outbound_chains.h"
#include "control-plane/snapshot/own_error.h"
#include "control-plane/snapshot/owners.h"
#include "control-plane/snapshot/wire.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace listenerv3 = envoy::config::listener::v3;

using policy::Protocol;
using std::chrono::milliseconds;

constexpr milliseconds kUnknownConnectTimeout{10000};
constexpr uint32_t kNoLimit = 4294967295;
// 502 as Istio's REGISTRY_ONLY; the names of route and cluster are Istio's too.
constexpr uint32_t kDeniedStatus = 502;
constexpr char kDeniedBody[] =
    "This address does not belong to a service of the mesh, and an EgressPolicy denies unknown "
    "destinations. Describe it in an ExternalService, or let the policy say ALLOW.\n";

listenerv3::Listener MakeOutboundListener(const std::string& name, const std::string& address,
                                          uint32_t port) {
  listenerv3::Listener listener;
  listener.set_name(name);
  listener.set_traffic_direction(envoy::config::core::v3::OUTBOUND);
  SetAddress(address, port, listener.mutable_address());
  return listener;
}

void AddPassthrough(const char* name, bool is_inbound, ResourceTable* clusters) {
  clusterv3::Cluster cluster;
  cluster.set_name(name);
  SetOriginalDestination(is_inbound, &cluster);
  SetDuration(kUnknownConnectTimeout, cluster.mutable_connect_timeout());
  auto* threshold = cluster.mutable_circuit_breakers()->add_thresholds();
  threshold->mutable_max_connections()->set_value(kNoLimit);
  threshold->mutable_max_pending_requests()->set_value(kNoLimit);
  threshold->mutable_max_requests()->set_value(kNoLimit);
  AddResource(name, cluster, clusters);
}

// The policy that keeps the workload from unknown destinations; null: it may call them. Of several
// services of one workload all must be allowed to.
const policy::Document* DeniedBy(const MeshView& view, const discovery::Workload& workload) {
  // Without a service: what holds for the namespace.
  discovery::ServiceName none;
  none.ns = workload.ns;
  if (workload.services.empty()) return view.policies.EgressDenialOf(none);
  for (const auto& service : workload.services) {
    if (const auto* found = view.policies.EgressDenialOf(service)) return found;
  }
  return nullptr;
}

// A client that speaks HTTP is told why; for others the connection ends.
void AddDenial(const Telemetry& telemetry, const policy::Document& denied_by,
               listenerv3::Listener* listener) {
  HttpConnectionManager manager = MakeHttpManager(telemetry, kDeniedRoute, kDeniedRoute);
  auto* routes = manager.mutable_route_config();
  routes->set_name(kDeniedRoute);
  auto* host = routes->add_virtual_hosts();
  host->set_name(kDeniedRoute);
  *host->add_domains() = std::string(1, '*');
  auto* route = host->add_routes();
  route->set_name(kDeniedRoute);
  route->mutable_match()->set_prefix("/");
  SetOwnError({kDeniedStatus, "egress_denied", kDeniedBody}, route);
  SetOwner("egress_denied", denied_by, "spec.unknownDestinations", route->mutable_metadata());
  AddRouter(&manager);
  listenerv3::FilterChain* http = listener->add_filter_chains();
  AddHttpManager(telemetry, manager, http);
  TellHttpFromBytes(http, listener);
}

}  // namespace

void AddInterceptionClusters(ResourceTable* clusters) {
  AddPassthrough(kPassthroughCluster, false, clusters);
  AddPassthrough(kInboundPassthroughCluster, true, clusters);
  clusterv3::Cluster nowhere;
  nowhere.set_name(kBlackHoleCluster);
  nowhere.set_type(clusterv3::Cluster::STATIC);
  SetDuration(kUnknownConnectTimeout, nowhere.mutable_connect_timeout());
  nowhere.mutable_load_assignment()->set_cluster_name(kBlackHoleCluster);
  AddResource(kBlackHoleCluster, nowhere, clusters);
}

namespace {

void AddVipListener(const MeshView& view, const std::string& host, uint32_t port, Protocol protocol,
                    const policy::ResiliencePolicy* policy, ResourceTable* listeners) {
  const auto vip = view.mesh.vips.find(host);
  if (vip == view.mesh.vips.end()) return;
  listenerv3::Listener listener =
      MakeOutboundListener(VipListener(vip->second, port), vip->second, port);
  listener.mutable_bind_to_port()->set_value(false);
  const Destination to{protocol, OutboundCluster(host, port), BytesCluster(host, port),
                       HashesSourceIp(policy)};
  const auto add_http = [&](listenerv3::FilterChain* http) {
    AddOutboundHttpManager(view.MeshTelemetry(), VipRoutes(host, port), host, http);
  };
  AddChains(view.MeshTelemetry(), to, add_http, &listener);
  AddResource(listener.name(), listener, listeners);
}

}  // namespace

void AddVipListenersOf(const MeshView& view, const discovery::ServiceName& name,
                       const discovery::Service& service, ResourceTable* listeners) {
  for (const auto& [number, port] : service.ports) {
    AddVipListener(view, discovery::HostOf(name), number, port.protocol,
                   view.policies.ResilienceOf(name), listeners);
  }
}

void AddMemberListener(const MeshView& view, const Member& member, ResourceTable* listeners) {
  listenerv3::Listener listener =
      MakeOutboundListener(member.name, member.workload->address, member.port);
  listener.mutable_bind_to_port()->set_value(false);
  const Destination to{member.protocol, member.Cluster(), member.BytesCluster()};
  const auto add_http = [&](listenerv3::FilterChain* http) {
    HttpConnectionManager manager =
        MakeHttpManager(view.MeshTelemetry(), member.name, discovery::HostOf(member.service));
    manager.set_forward_client_cert_details(HttpConnectionManager::SANITIZE);
    auto* routes = manager.mutable_route_config();
    routes->set_name(member.name);
    routes->mutable_validate_clusters()->set_value(false);
    auto* host = routes->add_virtual_hosts();
    host->set_name(VipRoutes(discovery::HostOf(member.service), member.service_port));
    host->add_domains("*");
    AddMemberRoute(view, member, host);
    AddRouter(&manager);
    AddHttpManager(view.MeshTelemetry(), manager, http);
  };
  AddChains(view.MeshTelemetry(), to, add_http, &listener);
  AddResource(member.name, listener, listeners);
}

void AddExternalVipListeners(const MeshView& view, ResourceTable* listeners) {
  for (const policy::ExternalService* external : view.ExternalServices()) {
    for (const policy::ExternalPort& port : external->ports) {
      AddVipListener(view, external->hosts[0], port.number, port.protocol, nullptr, listeners);
    }
  }
}

void AddInterceptionListeners(const MeshView& view, const discovery::Workload& workload,
                              ResourceTable* listeners) {
  const discovery::Interception& interception = *workload.interception;
  const Telemetry telemetry = view.TelemetryOf(workload);
  const policy::Document* denied_by = DeniedBy(view, workload);
  const auto add = [&](const char* name, const char* address) {
    listenerv3::Listener listener = MakeOutboundListener(name, address, interception.outbound_port);
    listener.mutable_use_original_dst()->set_value(true);
    listener.mutable_default_filter_chain()->set_name("unknown");
    AddTcpProxy(telemetry, denied_by == nullptr ? kPassthroughCluster : kBlackHoleCluster,
                listener.mutable_default_filter_chain());
    if (denied_by != nullptr) AddDenial(telemetry, *denied_by, &listener);
    AddResource(name, listener, listeners);
  };
  add(kVirtualOutbound, "127.0.0.1");
  if (interception.has_ipv6) add(kVirtualOutbound6, "::1");
}

}  // namespace tulle::snapshot
