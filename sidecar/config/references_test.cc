// Resources that are subscribed to by name: what is asked for, what is waited for, what is dropped.

#include <gtest/gtest.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/trace/v3/http_tracer.pb.h"
#include "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/snapshot_loader.h"

namespace tulle::config {
namespace {

using Names = std::set<std::string>;

class ReferencesTest : public ::testing::Test {
 protected:
  ReferencesTest() { loader_.FetchClustersByName(); }

  absl::Status PutCluster(const std::string& name, Origin origin = Origin::kDynamic) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(name);
    cluster.set_type(envoy::config::cluster::v3::Cluster::STATIC);
    cluster.mutable_load_assignment()->set_cluster_name(name);
    return loader_.Put(ResourceKind::kCluster, name, cluster.SerializeAsString(), origin);
  }
  absl::Status PutRoutes(const std::string& name, const std::string& cluster) {
    const std::string bytes = RoutesTo(name, cluster).SerializeAsString();
    return loader_.Put(ResourceKind::kRoute, name, bytes, Origin::kDynamic);
  }
  // A listener with RDS.
  absl::Status PutListener(const std::string& name, const std::string& routes) {
    Manager manager = MakeManager();
    manager.mutable_rds()->set_route_config_name(routes);
    manager.mutable_rds()->mutable_config_source()->mutable_ads();
    return PutListener(name, manager);
  }
  absl::Status PutListenerWithInlineRoutes(const std::string& name, const std::string& cluster) {
    Manager manager = MakeManager();
    *manager.mutable_route_config() = RoutesTo("inline", cluster);
    return PutListener(name, manager);
  }
  absl::Status PutTracedListener(const std::string& name, const std::string& cluster,
                                 const std::string& collector) {
    Manager manager = MakeManager();
    *manager.mutable_route_config() = RoutesTo("inline", cluster);
    envoy::config::trace::v3::OpenTelemetryConfig tracing;
    tracing.mutable_grpc_service()->mutable_envoy_grpc()->set_cluster_name(collector);
    auto* provider = manager.mutable_tracing()->mutable_provider();
    provider->set_name("envoy.tracers.opentelemetry");
    provider->mutable_typed_config()->PackFrom(tracing);
    return PutListener(name, manager);
  }
  // An access log of a relay, which has no tracing.
  absl::Status PutLoggedTcpListener(const std::string& name, const std::string& cluster,
                                    const std::string& collector) {
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy tcp;
    tcp.set_stat_prefix("s");
    tcp.set_cluster(cluster);
    envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig log;
    log.mutable_common_config()->mutable_grpc_service()->mutable_envoy_grpc()->set_cluster_name(
        collector);
    tcp.add_access_log()->mutable_typed_config()->PackFrom(log);
    return PutFilter(name, tcp);
  }
  absl::Status PutTcpListener(const std::string& name, const std::string& cluster) {
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy tcp;
    tcp.set_stat_prefix("s");
    tcp.set_cluster(cluster);
    return PutFilter(name, tcp);
  }

  SnapshotLoader loader_{tls::TlsTransports()};

 private:
  using Manager =
      envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

  static envoy::config::route::v3::RouteConfiguration RoutesTo(const std::string& name,
                                                               const std::string& cluster) {
    envoy::config::route::v3::RouteConfiguration routes;
    routes.set_name(name);
    auto* host = routes.add_virtual_hosts();
    host->set_name("all");
    host->add_domains("*");
    host->add_routes()->mutable_match()->set_prefix("/");
    host->mutable_routes(0)->mutable_route()->set_cluster(cluster);
    return routes;
  }
  static Manager MakeManager() {
    Manager manager;
    manager.set_stat_prefix("s");
    auto* router = manager.add_http_filters();
    router->set_name("router");
    router->mutable_typed_config()->set_type_url(
        "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router");
    return manager;
  }
  absl::Status PutListener(const std::string& name, const Manager& manager) {
    return PutFilter(name, manager);
  }
  template <typename Filter>
  absl::Status PutFilter(const std::string& name, const Filter& filter) {
    envoy::config::listener::v3::Listener listener;
    listener.set_name(name);
    auto* address = listener.mutable_address()->mutable_socket_address();
    address->set_address("127.0.0.1");
    address->set_port_value(static_cast<uint32_t>(15001 + loader_.Stored().size()));
    auto* chain = listener.add_filter_chains();
    chain->add_filters()->set_name("filter");
    chain->mutable_filters(0)->mutable_typed_config()->PackFrom(filter);
    return loader_.Put(ResourceKind::kListener, name, listener.SerializeAsString(),
                       Origin::kDynamic);
  }
};

TEST_F(ReferencesTest, ListenersAndRoutesNameTheClustersToSubscribeTo) {
  ASSERT_TRUE(PutListener("http", "post:80").ok());
  ASSERT_TRUE(PutTcpListener("tcp", "redis").ok());
  EXPECT_EQ(loader_.wanted_clusters(), Names{"redis"});
  EXPECT_EQ(loader_.wanted_routes(), Names{"post:80"});
  ASSERT_TRUE(PutRoutes("post:80", "post").ok());
  EXPECT_EQ(loader_.wanted_clusters(), (Names{"post", "redis"}));
}

TEST_F(ReferencesTest, AListenerMayArriveBeforeItsCluster) {
  ASSERT_TRUE(PutListenerWithInlineRoutes("inbound", "application").ok());
  EXPECT_TRUE(loader_.Current()->listeners.empty());
  EXPECT_TRUE(loader_.is_waiting());
  ASSERT_TRUE(PutCluster("application").ok());
  EXPECT_EQ(loader_.Current()->listeners.count("inbound"), 1u);
}

TEST_F(ReferencesTest, ACollectorIsFetchedAndNotWaitedFor) {
  ASSERT_TRUE(PutTracedListener("traced", "application", "collector").ok());
  EXPECT_EQ(loader_.wanted_clusters(), (Names{"application", "collector"}));
  ASSERT_TRUE(PutCluster("application").ok());
  EXPECT_EQ(loader_.Current()->listeners.count("traced"), 1u);
  ASSERT_TRUE(PutCluster("collector").ok());
  loader_.DropUnreferenced();
  EXPECT_EQ(loader_.Current()->clusters.count("collector"), 1u);
}

TEST_F(ReferencesTest, TheCollectorOfAnAccessLogIsFetchedAndNotWaitedFor) {
  const absl::Status put = PutLoggedTcpListener("relay", "application", "logs");
  ASSERT_TRUE(put.ok()) << put;
  EXPECT_EQ(loader_.wanted_clusters(), (Names{"application", "logs"}));
  ASSERT_TRUE(PutCluster("application").ok());
  EXPECT_EQ(loader_.Current()->listeners.count("relay"), 1u);
}

TEST_F(ReferencesTest, WithoutSubscriptionsByNameTheClusterMustExist) {
  SnapshotLoader wildcard(tls::TlsTransports());
  ASSERT_TRUE(PutListenerWithInlineRoutes("inbound", "application").ok());
  const std::string bytes = loader_.Stored().at(0).bytes;
  const absl::Status put =
      wildcard.Put(ResourceKind::kListener, "inbound", bytes, Origin::kDynamic);
  EXPECT_NE(put.message().find("application"), absl::string_view::npos) << put;
}

TEST_F(ReferencesTest, AClusterThatDoesNotExistIsNotWaitedFor) {
  ASSERT_TRUE(PutTcpListener("tcp", "redis").ok());
  EXPECT_TRUE(loader_.Current()->listeners.empty());
  loader_.Remove(ResourceKind::kCluster, "redis");
  EXPECT_EQ(loader_.Current()->listeners.count("tcp"), 1u);
  EXPECT_FALSE(loader_.is_waiting());
  ASSERT_TRUE(PutCluster("redis").ok());
  EXPECT_EQ(loader_.Current()->clusters.count("redis"), 1u) << "it was added later";
}

TEST_F(ReferencesTest, WhatNothingRefersToIsDropped) {
  ASSERT_TRUE(PutListener("http", "post:80").ok());
  ASSERT_TRUE(PutRoutes("post:80", "post").ok());
  ASSERT_TRUE(PutCluster("post").ok());
  ASSERT_TRUE(PutCluster("static", Origin::kStatic).ok());
  loader_.DropUnreferenced();
  EXPECT_EQ(loader_.Current()->clusters.size(), 2u);
  loader_.Remove(ResourceKind::kListener, "http");
  loader_.DropUnreferenced();
  const auto snapshot = loader_.Current();
  EXPECT_EQ(snapshot->routes.size(), 0u);
  EXPECT_EQ(snapshot->clusters.size(), 1u);
  EXPECT_EQ(snapshot->clusters.count("static"), 1u);
}

TEST_F(ReferencesTest, TheClusterOfTheRoutesInForceStaysWhileNewOnesWait) {
  ASSERT_TRUE(PutListener("http", "post:80").ok());
  ASSERT_TRUE(PutRoutes("post:80", "v1").ok());
  ASSERT_TRUE(PutCluster("v1").ok());
  EXPECT_EQ(loader_.Current()->routes.size(), 1u);
  ASSERT_TRUE(PutRoutes("post:80", "v2").ok());
  loader_.DropUnreferenced();
  EXPECT_EQ(loader_.wanted_clusters(), (Names{"v1", "v2"}));
  EXPECT_EQ(loader_.Current()->clusters.count("v1"), 1u);
  ASSERT_TRUE(PutCluster("v2").ok());
  loader_.DropUnreferenced();
  EXPECT_EQ(loader_.wanted_clusters(), Names{"v2"});
  EXPECT_EQ(loader_.Current()->clusters.count("v1"), 0u);
}

TEST_F(ReferencesTest, WithAWildcardClustersStay) {
  SnapshotLoader wildcard(tls::TlsTransports());
  ASSERT_TRUE(PutCluster("post").ok());
  ASSERT_TRUE(
      wildcard.Put(ResourceKind::kCluster, "post", loader_.Stored().at(0).bytes, Origin::kDynamic)
          .ok());
  wildcard.DropUnreferenced();
  EXPECT_EQ(wildcard.Current()->clusters.count("post"), 1u);
}

}  // namespace
}  // namespace tulle::config
