#include "tests/simulation/control_plane.h"

#include <gtest/gtest.h>

#include <utility>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "net/tls/tls_transports.h"
#include "xds/proto/type_urls.h"

namespace tulle::simulation {
namespace {

std::string NodeBytes() {
  envoy::config::core::v3::Node node;
  node.set_id("outbound");
  node.set_cluster("caller");
  return node.SerializeAsString();
}

void Put(config::SnapshotLoader& loader, config::ResourceKind kind, const std::string& name,
         const google::protobuf::Message& message) {
  const absl::Status status =
      loader.Put(kind, name, message.SerializeAsString(), config::Origin::kDynamic);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace

void PutUsersOfRoutes(config::SnapshotLoader& loader, const std::string& routes,
                      const std::string& cluster_name) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name(cluster_name);
  cluster.set_type(envoy::config::cluster::v3::Cluster::STATIC);
  cluster.mutable_load_assignment()->set_cluster_name(cluster_name);
  Put(loader, config::ResourceKind::kCluster, cluster_name, cluster);

  namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
  hcm::HttpConnectionManager manager;
  manager.set_stat_prefix("simulated");
  manager.mutable_rds()->set_route_config_name(routes);
  manager.mutable_rds()->mutable_config_source()->mutable_ads();
  auto& router = *manager.add_http_filters();
  router.set_name("envoy.filters.http.router");
  router.mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
  envoy::config::listener::v3::Listener listener;
  listener.set_name("user");
  auto& address = *listener.mutable_address()->mutable_socket_address();
  address.set_address("127.0.0.1");
  address.set_port_value(1);
  auto& filter = *listener.add_filter_chains()->add_filters();
  filter.set_name("envoy.filters.network.http_connection_manager");
  filter.mutable_typed_config()->PackFrom(manager);
  Put(loader, config::ResourceKind::kListener, "user", listener);
}

class ControlPlane::Routes final : public xds::View {
 public:
  const xds::ResourceTable* TableOf(std::string_view type_url) const override {
    return type_url == xds::kRouteType ? &table : nullptr;
  }
  xds::ResourceTable table;
};

ControlPlane::ControlPlane(loop::Loop& loop, const SocketAddress& at,
                           std::shared_ptr<const tls::SecureAcceptor> acceptor)
    : loop_(loop),
      acceptor_(std::move(acceptor)),
      view_(std::make_shared<Routes>()),
      ads_(loop, *this),
      server_(loop, registry_, {}) {
  ads_.Register(registry_);
  int error = 0;
  listener_ = loop.Listen(at, {}, *this, &error);
}

ControlPlane::~ControlPlane() = default;

void ControlPlane::SetRoutes(const std::string& name, std::string bytes) {
  auto view = std::make_shared<Routes>();
  view->table[name] = std::make_shared<const xds::Resource>(
      xds::Resource{std::to_string(++version_), std::move(bytes)});
  view_ = std::move(view);
  ads_.Refresh();
}

absl::StatusOr<std::shared_ptr<const xds::View>> ControlPlane::ViewFor(
    const envoy::config::core::v3::Node&, const Transport&) {
  return view_;
}

void ControlPlane::OnAccept(std::unique_ptr<loop::Socket> socket) {
  const TransportAcceptor& acceptor = *acceptor_;
  server_.Adopt(acceptor.Accept(loop_, std::move(socket)));
}

RouteSubscription::RouteSubscription(loop::Loop& loop, const SocketAddress& control_plane,
                                     std::shared_ptr<const tls::SecureConnector> connector,
                                     std::string name, const std::string& cluster,
                                     OnRoutes on_routes)
    : name_(std::move(name)),
      on_routes_(std::move(on_routes)),
      loader_(tls::TlsTransports()),
      state_(NodeBytes(), *this),
      client_(
          loop,
          [&loop, control_plane, connector = std::move(connector)] {
            return connector->Connect(loop, control_plane, {});
          },
          {}, state_, *this) {
  PutUsersOfRoutes(loader_, name_, cluster);
  state_.Subscribe(xds::kRouteType, {name_});
  client_.Start();
}

RouteSubscription::~RouteSubscription() = default;

std::vector<xds::Rejection> RouteSubscription::OnUpdate(const xds::Update& update) {
  std::vector<xds::Rejection> rejections;
  for (const xds::ReceivedResource& resource : update.resources) {
    const absl::Status status = loader_.Put(config::ResourceKind::kRoute, resource.name,
                                            resource.bytes, config::Origin::kDynamic);
    if (!status.ok()) rejections.push_back({resource.name, std::string(status.message())});
  }
  const auto snapshot = loader_.Current();
  const auto found = snapshot->routes.find(name_);
  if (found != snapshot->routes.end()) on_routes_(found->second);
  return rejections;
}

}  // namespace tulle::simulation
