#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/grpc/server.h"
#include "net/grpc/service.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/config/snapshot_loader.h"
#include "sidecar/route/route_table.h"
#include "xds/client/ads_client.h"
#include "xds/client/delta_client.h"
#include "xds/server/ads_server.h"

namespace tulle::simulation {

// Gives the loader what makes it take those routes: a listener that names them, and the cluster
// that they name.
void PutUsersOfRoutes(config::SnapshotLoader& loader, const std::string& routes,
                      const std::string& cluster);

// Serves one route configuration by incremental ADS over gRPC and mutual TLS. Owner: a test.
class ControlPlane : private xds::Source, private loop::ListenerEvents {
 public:
  ControlPlane(loop::Loop& loop, const SocketAddress& at,
               std::shared_ptr<const tls::SecureAcceptor> acceptor);
  ~ControlPlane() override;

  // `bytes`: of the RouteConfiguration of that name. Streams hear of it at once.
  void SetRoutes(const std::string& name, std::string bytes);

 private:
  class Routes;

  absl::StatusOr<std::shared_ptr<const xds::View>> ViewFor(const envoy::config::core::v3::Node&,
                                                           const Transport&) override;
  void OnAccept(std::unique_ptr<loop::Socket> socket) override;

  loop::Loop& loop_;
  std::shared_ptr<const tls::SecureAcceptor> acceptor_;
  std::shared_ptr<const Routes> view_;
  int version_ = 0;
  grpc::ServiceRegistry registry_;
  xds::AdsServer ads_;
  grpc::Server server_;
  std::unique_ptr<loop::Listener> listener_;
};

// A sidecar's subscription to one route configuration. Owner: a test.
class RouteSubscription : private xds::UpdateTarget, private xds::AdsClient::Events {
 public:
  using OnRoutes = std::function<void(std::shared_ptr<const route::RouteTable>)>;
  RouteSubscription(loop::Loop& loop, const SocketAddress& control_plane,
                    std::shared_ptr<const tls::SecureConnector> connector, std::string name,
                    const std::string& cluster, OnRoutes on_routes);
  ~RouteSubscription() override;

 private:
  std::vector<xds::Rejection> OnUpdate(const xds::Update& update) override;
  void OnAdsConnected() override {}
  void OnAdsLost(const std::string&) override {}

  const std::string name_;
  OnRoutes on_routes_;
  config::SnapshotLoader loader_;
  xds::DeltaClient state_;
  xds::AdsClient client_;
};

}  // namespace tulle::simulation
