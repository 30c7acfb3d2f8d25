#include "sidecar/admin/snapshot_pages.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/config/listener_spec.h"
#include "sidecar/upstream/cluster_spec.h"
#include "telemetry/prometheus.h"

namespace tulle::admin {
namespace {

config::Snapshot Sample() {
  config::Snapshot snapshot;
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = "outbound|80||web";
  cluster->uses_eds = true;
  cluster->eds_name = "web";
  cluster->transport_sockets.push_back({"raw", {}, nullptr});
  snapshot.clusters[cluster->name] = cluster;
  auto endpoints = std::make_shared<upstream::EndpointSet>();
  upstream::EndpointSpec endpoint;
  endpoint.address = SocketAddress::Loopback4(8080);
  endpoint.health = upstream::EndpointHealth::kDraining;
  endpoint.spiffe_id = "spiffe://d/ns/default/sa/web";
  endpoints->endpoints.push_back(endpoint);
  snapshot.endpoints["web"] = endpoints;
  auto chain = std::make_shared<config::FilterChainSpec>();
  config::HttpSpec http;
  http.rds_name = "80";
  chain->proxy = http;
  auto listener = std::make_shared<config::ListenerSpec>();
  listener->name = "out";
  listener->address = SocketAddress::Loopback4(15001);
  listener->chains.push_back(chain);
  snapshot.listeners["out"] = listener;
  return snapshot;
}

TEST(SnapshotPages, Text) {
  EXPECT_EQ(ListenersText(Sample()), "out::127.0.0.1:15001\n");
  const std::string text = ClustersText(Sample());
  EXPECT_NE(text.find("outbound|80||web::127.0.0.1:8080::health_flags::draining\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("outbound|80||web::default_priority::max_requests::1024\n"),
            std::string::npos)
      << text;
}

TEST(SnapshotPages, Json) {
  const auto dump = nlohmann::json::parse(SnapshotJson(Sample()));
  EXPECT_EQ(dump["listeners"][0]["filter_chains"][0]["http"]["route_config"], "80");
  EXPECT_EQ(dump["clusters"][0]["endpoints"][0]["spiffe_id"], "spiffe://d/ns/default/sa/web");
  EXPECT_EQ(dump["clusters"][0]["warm"], true);
  config::Snapshot cold = Sample();
  cold.endpoints.clear();
  EXPECT_EQ(nlohmann::json::parse(ClustersJson(cold))["cluster_statuses"][0]["warm"], false);
  EXPECT_EQ(nlohmann::json::parse(ListenersJson(cold))["listener_statuses"][0]["name"], "out");
}

TEST(SnapshotPages, BytesThatAreNotTextDoNotBreakTheDump) {
  config::Snapshot snapshot = Sample();
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = "\xff\"\n";
  snapshot.clusters[cluster->name] = cluster;
  EXPECT_TRUE(nlohmann::json::accept(SnapshotJson(snapshot)));
}

TEST(SnapshotPages, HealthReflectsChecksAndBreakers) {
  config::Snapshot snapshot;
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = "c";
  cluster->breaker.emplace();
  cluster->health_checks.emplace_back();
  auto set = std::make_shared<upstream::EndpointSet>();
  for (const uint16_t port : {1, 2}) {
    set->endpoints.emplace_back().address = SocketAddress::Loopback4(port);
  }
  cluster->static_endpoints = set;
  snapshot.clusters["c"] = cluster;
  const auto limits = std::make_unique<upstream::ClusterLimits>(1);
  const auto endpoint = limits->endpoints.For(SocketAddress::Loopback4(2));
  endpoint->checked = upstream::CheckedHealth::kBad;
  const std::string text = ClustersText(snapshot, {{"c", limits.get()}});
  EXPECT_NE(text.find("c::127.0.0.1:1::health_flags::healthy\n"), std::string::npos) << text;
  EXPECT_NE(text.find("c::127.0.0.1:2::health_flags::/failed_active_hc\n"), std::string::npos)
      << text;
  const auto json = nlohmann::json::parse(ClustersJson(snapshot, {{"c", limits.get()}}));
  EXPECT_EQ(json["cluster_statuses"][0]["endpoints"][1]["health"], "/failed_active_hc");
}

TEST(SnapshotPages, Limits) {
  telemetry::Registry registry;
  upstream::ClusterSpec cluster;
  cluster.name = "c";
  // Not on the stack, because g++ 12 with AddressSanitizer does not align it there.
  const auto owned = std::make_unique<upstream::ClusterLimits>(1);
  upstream::ClusterLimits& limits = *owned;
  EXPECT_TRUE(limits.requests.TryEnter(9, true));
  ShowLimits(registry, cluster, limits);
  cluster.service = "s";
  cluster.breaker.emplace();
  cluster.health_checks.emplace_back();
  const SocketAddress address = SocketAddress::Loopback4(8080);
  const auto endpoint = limits.endpoints.For(address);
  endpoint->checked = upstream::CheckedHealth::kBad;
  ShowLimits(registry, cluster, limits);
  const telemetry::Registry* all[] = {&registry};
  const std::string text = telemetry::PlainText(telemetry::Collect(all));
  for (const char* line :
       {"tulle_upstream_limit{cluster=\"c\",limit=\"requests\",kind=\"used\"} 1\n",
        "tulle_upstream_limit{cluster=\"c\",limit=\"requests\",kind=\"allowed\"} 1024\n",
        "tulle_endpoint_health{service=\"s\",cluster=\"c\",endpoint=\"127.0.0.1:8080\"} 0\n",
        "circuit_breaker_state{service=\"s\",cluster=\"c\",endpoint=\"127.0.0.1:8080\"} 0\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << text;
  }
}

// The pages show the limit that is in force, not the field that a budget replaces.
TEST(SnapshotPages, ARetryBudgetIsTheLimitOfRetries) {
  config::Snapshot snapshot;
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = "c";
  cluster->caps.has_retry_budget = true;
  cluster->caps.budget_percent = 20;
  cluster->caps.budget_minimum = 4;
  cluster->static_endpoints = std::make_shared<upstream::EndpointSet>();
  snapshot.clusters["c"] = cluster;
  const auto limits = std::make_unique<upstream::ClusterLimits>(1);
  const auto shown = [&] {
    telemetry::Registry registry;
    ShowLimits(registry, *cluster, *limits);
    const telemetry::Registry* all[] = {&registry};
    const std::string text = telemetry::PlainText(telemetry::Collect(all));
    const std::string line = "{cluster=\"c\",limit=\"retries\",kind=\"allowed\"} ";
    const size_t at = text.find(line) + line.size();
    return text.substr(at, text.find('\n', at) - at);
  };
  const LimitsByCluster by_cluster{{"c", limits.get()}};
  const auto on_pages = [&](int most) {
    const std::string line = "c::default_priority::max_retries::" + std::to_string(most) + "\n";
    const auto json = nlohmann::json::parse(ClustersJson(snapshot, by_cluster));
    return ClustersText(snapshot, by_cluster).find(line) != std::string::npos &&
           json["cluster_statuses"][0]["max_retries"] == most;
  };
  EXPECT_EQ(shown(), "4");
  EXPECT_TRUE(on_pages(4));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limits->requests.TryEnter(1024, true));
  EXPECT_EQ(shown(), "20");
  EXPECT_TRUE(on_pages(20));
}

TEST(SnapshotPages, ManyClustersAndEndpointsHaveAllTheirLimits) {
  telemetry::Registry registry;
  constexpr int kClusters = 300, kEndpoints = 10;
  std::vector<std::unique_ptr<upstream::ClusterLimits>> all_limits;
  std::vector<std::shared_ptr<upstream::SharedEndpoint>> used;
  for (int i = 0; i < kClusters; ++i) {
    upstream::ClusterSpec cluster;
    cluster.name = "c" + std::to_string(i);
    cluster.service = "s";
    cluster.breaker.emplace();
    cluster.health_checks.emplace_back();
    all_limits.push_back(std::make_unique<upstream::ClusterLimits>(1));
    for (int port = 1; port <= kEndpoints; ++port) {
      used.push_back(all_limits.back()->endpoints.For(SocketAddress::Loopback4(port)));
      used.back()->checked = upstream::CheckedHealth::kGood;
    }
    ShowLimits(registry, cluster, *all_limits.back());
  }
  const telemetry::Registry* all[] = {&registry};
  std::map<std::string_view, size_t> rows;
  for (const telemetry::FamilySamples& family : telemetry::Collect(all)) {
    rows[family.spec.name] = family.samples.size();
    for (const telemetry::Sample& sample : family.samples)
      EXPECT_NE(sample.labels[0], "other") << family.spec.name;
  }
  EXPECT_EQ(rows["tulle_upstream_limit"], 8 * kClusters);
  EXPECT_EQ(rows["circuit_breaker_state"], kClusters * kEndpoints);
  EXPECT_EQ(rows["tulle_endpoint_health"], kClusters * kEndpoints);
}

}  // namespace
}  // namespace tulle::admin
