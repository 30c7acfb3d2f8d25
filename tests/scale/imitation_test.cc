// What the measurement relies on: names are found in resources, and sightings are counted by proxy.

#include <gtest/gtest.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "sidecar/insight/traffic_deltas.h"
#include "tests/scale/imitated_traffic.h"
#include "tests/scale/named_resources.h"
#include "tests/scale/witness.h"
#include "xds/proto/type_urls.h"

namespace tulle::scale {
namespace {

using Names = std::set<std::string>;

TEST(NamedResources, AListenerNamesItsRoutesAndClusters) {
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager http;
  http.mutable_rds()->set_route_config_name("post:80");
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy tcp;
  tcp.set_cluster("bytes");
  envoy::config::listener::v3::Listener listener;
  listener.add_filter_chains()->add_filters()->mutable_typed_config()->PackFrom(http);
  listener.mutable_default_filter_chain()->add_filters()->mutable_typed_config()->PackFrom(tcp);
  const auto named = ReadNamedResources(xds::kListenerType, listener.SerializeAsString());
  EXPECT_EQ(named.routes, Names{"post:80"});
  EXPECT_EQ(named.clusters, Names{"bytes"});
}

TEST(NamedResources, RoutesNameEveryClusterThatTheyMaySendTo) {
  envoy::config::route::v3::RouteConfiguration routes;
  auto* action = routes.add_virtual_hosts()->add_routes()->mutable_route();
  action->mutable_weighted_clusters()->add_clusters()->set_name("a");
  action->mutable_weighted_clusters()->add_clusters()->set_name("b");
  action->add_request_mirror_policies()->set_cluster("c");
  const auto named = ReadNamedResources(xds::kRouteType, routes.SerializeAsString());
  EXPECT_EQ(named.clusters, (Names{"a", "b", "c"}));
}

TEST(NamedResources, AClusterNamesItsEndpointsIfTheyComeByXds) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name("a");
  cluster.set_type(envoy::config::cluster::v3::Cluster::STATIC);
  EXPECT_EQ(ReadNamedResources(xds::kClusterType, cluster.SerializeAsString()).endpoints, Names{});
  cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
  EXPECT_EQ(ReadNamedResources(xds::kClusterType, cluster.SerializeAsString()).endpoints,
            Names{"a"});
}

TEST(Mover, ItsNumberIsReadFromItsAddress) {
  for (const int number : {0, 255, 256, 65535}) {
    EXPECT_EQ(MoverNumberIn("\n\x05" + MoverAddress(number) + "\x10\x50"), number);
  }
  EXPECT_EQ(MoverNumberIn("10.1.0.7"), std::nullopt);
}

uint64_t RequestsIn(const insight::v1::Traffic& traffic) {
  uint64_t count = 0;
  for (const auto& requests : traffic.requests()) {
    for (const uint32_t bucket : requests.buckets()) count += bucket;
  }
  return count;
}

TEST(ImitatedTraffic, ReportsHaveTheRequestsOfTheirTime) {
  const ImitatedTraffic traffic({"spiffe://mesh/ns/default/sa/a",
                                 "a.default.svc.cluster.local",
                                 {{"spiffe://mesh/ns/default/sa/b", "b.default.svc.cluster.local"},
                                  {"spiffe://mesh/ns/default/sa/c", "c.default.svc.cluster.local"}},
                                 1000});
  sidecar::TrafficDeltas deltas;
  deltas.Begin(false);
  insight::v1::Traffic first;
  ASSERT_TRUE(deltas.AddTo(traffic.At(60), first));
  // Sent and received, each with two outcomes, for two peers.
  EXPECT_EQ(first.series_size(), 8);
  EXPECT_NEAR(static_cast<double>(RequestsIn(first)), 120'000, 100);
  insight::v1::Traffic second;
  ASSERT_TRUE(deltas.AddTo(traffic.At(90), second));
  EXPECT_EQ(second.series_size(), 0);
  EXPECT_NEAR(static_cast<double>(RequestsIn(second)), 60'000, 100);
}

TEST(ImitatedTraffic, APeersPrincipalIsInTheSameNamespace) {
  EXPECT_EQ(PrincipalBeside("spiffe://mesh/ns/shop/sa/web", "cart"),
            "spiffe://mesh/ns/shop/sa/cart");
}

xds::Update EndpointsAt(int number) {
  return {std::string(xds::kEndpointType), {{"post", "1", MoverAddress(number)}}, {}};
}

TEST(Witness, AProxyCountsOnceAndOnlyForWhatIsExpected) {
  Witness witness;
  witness.Expect(xds::kEndpointType, "post");
  witness.OnUpdate(1, EndpointsAt(0));
  witness.OnUpdate(1, EndpointsAt(1));
  witness.OnUpdate(2, {std::string(xds::kClusterType), {{"post", "1", ""}}, {}});
  EXPECT_EQ(witness.seen().proxies, 1u);
}

TEST(Witness, AMoveIsSeenWhenEveryProxyHasItOrALaterOne) {
  Witness witness;
  witness.WatchMover("post");
  witness.OnUpdate(1, EndpointsAt(5));
  EXPECT_FALSE(witness.AllSaw(4, 2).has_value());
  witness.OnUpdate(2, EndpointsAt(4));
  EXPECT_TRUE(witness.AllSaw(4, 2).has_value());
  EXPECT_FALSE(witness.AllSaw(5, 2).has_value());
}

}  // namespace
}  // namespace tulle::scale
