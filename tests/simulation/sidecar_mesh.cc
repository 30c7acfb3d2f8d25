#include "tests/simulation/sidecar_mesh.h"

#include <gtest/gtest.h>

#include <utility>

#include "envoy/config/route/v3/route.pb.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/config/snapshot_loader.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/route/route_table.h"

namespace tulle::simulation {
namespace {

constexpr char kInbound[] = "10.0.0.2:15006";
constexpr char kRoutes[] = "routes";
constexpr char kOrigin[] = "127.0.0.1:8080";
constexpr char kInboundIdentity[] = "spiffe://cluster.local/ns/default/sa/origin";

std::shared_ptr<const upstream::ClusterSpec> Cluster(
    const std::string& name, const char* endpoint, upstream::HttpChoice http,
    std::shared_ptr<const tls::SecureConnector> connector) {
  auto endpoints = std::make_shared<upstream::EndpointSet>();
  endpoints->cluster_name = name;
  endpoints->endpoints.emplace_back();
  endpoints->endpoints.back().address = *SocketAddress::ParseWithPort(endpoint);
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = name;
  cluster->http = http;
  cluster->transport_sockets.push_back({"", {}, std::move(connector)});
  cluster->static_endpoints = std::move(endpoints);
  return cluster;
}

// Whatever is asked goes to that cluster.
envoy::config::route::v3::RouteConfiguration RoutesTo(const std::string& cluster) {
  envoy::config::route::v3::RouteConfiguration routes;
  routes.set_name(kRoutes);
  auto& host = *routes.add_virtual_hosts();
  host.set_name("all");
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(cluster);
  route.mutable_route()->mutable_timeout();  // none
  return routes;
}

std::string RoutesOf(const MeshPolicy& policy) {
  auto routes = RoutesTo("origin");
  auto& route = *routes.mutable_virtual_hosts(0)->mutable_routes(0);
  if (policy.retries_after_first > 0) {
    auto& retry = *route.mutable_route()->mutable_retry_policy();
    retry.set_retry_on("gateway-error,reset,connect-failure");
    retry.mutable_num_retries()->set_value(policy.retries_after_first);
  }
  if (!policy.marker.empty()) {
    auto& option = *route.add_response_headers_to_add();
    option.mutable_header()->set_key("x-marker");
    option.mutable_header()->set_value(policy.marker);
  }
  return routes.SerializeAsString();
}

std::shared_ptr<const route::RouteTable> LocalRoutes() {
  config::SnapshotLoader loader(tls::TlsTransports());
  PutUsersOfRoutes(loader, kRoutes, "local");
  const absl::Status status =
      loader.Put(config::ResourceKind::kRoute, kRoutes, RoutesTo("local").SerializeAsString(),
                 config::Origin::kDynamic);
  EXPECT_TRUE(status.ok()) << status;
  return loader.Current()->routes.at(kRoutes);
}

// Its routes come by name, so that a push of routes leaves it and its connections alone.
std::shared_ptr<const config::ListenerSpec> Listener(
    const char* at, std::shared_ptr<const tls::SecureAcceptor> acceptor) {
  config::HttpSpec http;
  http.rds_name = kRoutes;
  if (acceptor != nullptr) {
    http.forwarding = config::ClientCertForwarding::kSanitizeSet;
    http.forward_uri = true;
  }
  auto chain = std::make_shared<config::FilterChainSpec>();
  if (acceptor != nullptr) chain->own_identity = kInboundIdentity;
  chain->tls = std::move(acceptor);
  chain->proxy = std::move(http);
  auto listener = std::make_shared<config::ListenerSpec>();
  listener->name = at;
  listener->address = *SocketAddress::ParseWithPort(at);
  listener->chains.push_back(std::move(chain));
  return listener;
}

}  // namespace

SidecarMesh::SidecarMesh(uint64_t seed, const sim::FaultPlan& plan, const OriginHabits& habits,
                         upstream::HttpChoice between)
    : world_(seed, plan),
      between_(between),
      identity_(seed),
      outbound_listener_(Listener(kOutbound, nullptr)),
      near_(world_.AddHost({kOutboundHost})),
      far_(world_.AddHost({kInboundHost})),
      caller_loop_(world_.NewLoop(near_)),
      origin_loop_(world_.NewLoop(far_)),
      origin_(std::make_unique<HttpOrigin>(*origin_loop_, *SocketAddress::ParseWithPort(kOrigin),
                                           habits)) {
  IssueCertificates();
  Start(outbound_, near_);
  Start(inbound_, far_);
  Apply(inbound_, Inbound());
  control_loop_ = world_.NewLoop(world_.AddHost({"10.0.0.3"}));
  const auto control_at = *SocketAddress::ParseWithPort("10.0.0.3:15012");
  control_plane_ = std::make_unique<ControlPlane>(*control_loop_, control_at,
                                                  identity_.NewAcceptor("control", "h2"));
  Push({});
  subscription_ = std::make_unique<RouteSubscription>(
      *outbound_.loop, control_at, identity_.NewConnector("caller", "control", "h2"), kRoutes,
      "origin", [this](std::shared_ptr<const route::RouteTable> routes) {
        routes_ = std::move(routes);
        Apply(outbound_, Outbound());
      });
}

SidecarMesh::~SidecarMesh() = default;

void SidecarMesh::Start(Sidecar& sidecar, int host) {
  sidecar.loop = world_.NewLoop(host);
  sidecar.limits = std::make_unique<sidecar::LimitsTable>(1);
  sidecar.worker = std::make_unique<sidecar::Worker>(*sidecar.loop, *this);
}

void SidecarMesh::Apply(Sidecar& sidecar, std::shared_ptr<const config::Snapshot> snapshot) {
  sidecar.loop->Post([&sidecar, snapshot = std::move(snapshot)]() mutable {
    const std::vector<std::string> errors =
        sidecar.worker->Apply(sidecar::MakeVersion(std::move(snapshot), *sidecar.limits));
    EXPECT_TRUE(errors.empty()) << errors.front();
  });
}

std::shared_ptr<const config::Snapshot> SidecarMesh::Outbound() {
  auto snapshot = std::make_shared<config::Snapshot>();
  snapshot->clusters["origin"] = Cluster("origin", kInbound, between_, connector_);
  snapshot->routes[kRoutes] = routes_;
  snapshot->listeners[kOutbound] = outbound_listener_;
  return snapshot;
}

std::shared_ptr<const config::Snapshot> SidecarMesh::Inbound() {
  auto snapshot = std::make_shared<config::Snapshot>();
  snapshot->clusters["local"] = Cluster("local", kOrigin, upstream::HttpChoice::kHttp1, nullptr);
  snapshot->routes[kRoutes] = LocalRoutes();
  snapshot->listeners[kInbound] = Listener(kInbound, acceptor_);
  return snapshot;
}

void SidecarMesh::Push(const MeshPolicy& policy) {
  control_plane_->SetRoutes(kRoutes, RoutesOf(policy));
}

void SidecarMesh::IssueCertificates() {
  const std::string alpn = between_ == upstream::HttpChoice::kHttp2 ? "h2" : "http/1.1";
  acceptor_ = identity_.NewAcceptor("origin", alpn);
  connector_ = identity_.NewConnector("caller", "origin", alpn);
}

void SidecarMesh::RotateCertificates() {
  IssueCertificates();
  Apply(outbound_, Outbound());
  Apply(inbound_, Inbound());
}

int SidecarMesh::ResetConnections() { return world_.ResetConnections(near_, far_); }

void SidecarMesh::OnExchangeEnd(const proxy::Exchange& exchange) {
  ++exchanges_;
  if (exchange.record().attempts > 1) ++retried_;
}

}  // namespace tulle::simulation
