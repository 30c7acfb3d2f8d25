#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <string>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/snapshot_loader.h"
#include "sidecar/upstream/ring.h"

namespace tulle::config {
namespace {

using upstream::Balancing;
using upstream::ClusterSpec;
using upstream::HealthCheckSpec;

constexpr char kEndpoints[] = R"("load_assignment": {"cluster_name": "c",
  "policy": {"overprovisioning_factor": 120}, "endpoints": [
  {"locality": {"region": "r", "zone": "a"}, "load_balancing_weight": 3, "lb_endpoints": [
    {"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}},
     "metadata": {"filter_metadata": {"envoy.lb": {"hash_key": "one"}}}}]},
  {"locality": {"zone": "b"}, "priority": 1, "lb_endpoints": [
    {"endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 80}},
     "health_check_config": {"port_value": 81, "disable_active_health_check": true}}}]}]})";

class BalancingConfigTest : public ::testing::Test {
 protected:
  // The error, or nothing.
  std::string Put(const std::string& more) {
    envoy::config::cluster::v3::Cluster message;
    const auto parsed = google::protobuf::util::JsonStringToMessage(
        "{\"name\": \"c\", " + std::string(kEndpoints) + (more.empty() ? "" : ", ") + more + "}",
        &message);
    EXPECT_TRUE(parsed.ok()) << parsed.ToString();
    return std::string(
        loader_.Put(ResourceKind::kCluster, "c", message.SerializeAsString(), Origin::kDynamic)
            .message());
  }
  const ClusterSpec& Take(const std::string& more) {
    EXPECT_EQ(Put(more), "");
    return *loader_.Current()->clusters.at("c");
  }
  const ClusterSpec& ReadPolicy(const std::string& type, const std::string& fields) {
    return Take(R"("load_balancing_policy": {"policies": [{"typed_extension_config": {"name": "p",
      "typed_config": {"@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.)" +
                type + "\"" + (fields.empty() ? "" : ", ") + fields + "}}}]}");
  }

  SnapshotLoader loader_{tls::TlsTransports()};
};

TEST_F(BalancingConfigTest, Endpoints) {
  const upstream::EndpointSet& set = *Take("").static_endpoints;
  EXPECT_EQ(set.overprovisioning_percent, 120u);
  ASSERT_EQ(set.localities.size(), 2u);
  EXPECT_EQ(set.localities[0].region, "r");
  EXPECT_EQ(set.localities[0].weight, 3u);
  EXPECT_EQ(set.localities[1].weight, 0u);
  EXPECT_EQ(set.endpoints[0].hash_key, "one");
  EXPECT_EQ(set.endpoints[1].locality, 1u);
  EXPECT_EQ(set.endpoints[1].health_check_port, 81);
  EXPECT_FALSE(set.endpoints[1].health_checked);
}

TEST_F(BalancingConfigTest, RingHash) {
  const ClusterSpec& spec = Take(R"("lb_policy": "RING_HASH",
    "ring_hash_lb_config": {"minimum_ring_size": 64, "maximum_ring_size": 128},
    "common_lb_config": {"locality_weighted_lb_config": {},
                         "consistent_hashing_lb_config": {"use_hostname_for_hashing": true}})");
  EXPECT_EQ(spec.balancing, Balancing::kRingHash);
  EXPECT_EQ(spec.ring.min_size, 64u);
  EXPECT_EQ(spec.ring.max_size, 128u);
  EXPECT_TRUE(spec.ring.by_hostname);
  EXPECT_TRUE(spec.locality_weighted);
  EXPECT_EQ(loader_.Current()->rings.at("c")->priorities()[0].hashes.size(), 64u);
  const auto ring = loader_.Current()->rings.at("c");
  EXPECT_EQ(
      Put(R"("lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 9000000})"),
      "c.ring_hash_lb_config.minimum_ring_size: must be at most 8388608");
  EXPECT_NE(Put(R"("lb_policy": "RING_HASH", "ring_hash_lb_config":
                   {"minimum_ring_size": 9, "maximum_ring_size": 8})"),
            "");
  EXPECT_NE(Put(R"("lb_policy": "RING_HASH", "ring_hash_lb_config":
                   {"hash_function": "MURMUR_HASH_2"})"),
            "");
  EXPECT_EQ(loader_.Current()->rings.at("c"), ring) << "what did not change is kept";
}

TEST_F(BalancingConfigTest, SlowStartAndBias) {
  const ClusterSpec& spec = Take(R"("lb_policy": "LEAST_REQUEST", "least_request_lb_config":
    {"active_request_bias": {"default_value": 2}, "slow_start_config": {"slow_start_window": "30s",
     "aggression": {"default_value": 1.5}, "min_weight_percent": {"value": 20}}})");
  EXPECT_EQ(spec.active_request_bias, 2);
  EXPECT_EQ(spec.slow_start.window.count(), 30000);
  EXPECT_EQ(spec.slow_start.aggression, 1.5);
  EXPECT_EQ(spec.slow_start.min_weight_percent, 20u);
  EXPECT_NE(Put(R"("round_robin_lb_config": {"slow_start_config": {"slow_start_window": "30s",
                   "aggression": {"default_value": 0}}})"),
            "");
}

TEST_F(BalancingConfigTest, PoliciesByExtension) {
  EXPECT_EQ(
      ReadPolicy("peak_ewma.v3alpha.PeakEwma", R"("decay_time": "5s", "default_rtt": "0.01s")")
          .ewma.decay.count(),
      5000);
  EXPECT_EQ(loader_.Current()->clusters.at("c")->balancing, Balancing::kPeakEwma);
  EXPECT_EQ(loader_.Current()->clusters.at("c")->ewma.first_rtt.count(), 10);
  EXPECT_EQ(ReadPolicy("random.v3.Random", "").balancing, Balancing::kRandom);
  EXPECT_EQ(ReadPolicy("ring_hash.v3.RingHash", R"("minimum_ring_size": 7)").ring.min_size, 7u);
  EXPECT_TRUE(ReadPolicy("round_robin.v3.RoundRobin",
                         R"("locality_lb_config": {"locality_weighted_lb_config": {}})")
                  .locality_weighted);
  EXPECT_EQ(
      ReadPolicy("least_request.v3.LeastRequest", R"("choice_count": 3)").least_request_choices,
      3u);
}

constexpr char kTimes[] = R"("timeout": "1s", "interval": "5s", "unhealthy_threshold": 2,
  "healthy_threshold": 1, )";

TEST_F(BalancingConfigTest, HealthChecks) {
  const auto check = [&](const std::string& kind) -> const HealthCheckSpec& {
    return Take("\"health_checks\": [{" + std::string(kTimes) + kind + "}]").health_checks.front();
  };
  const HealthCheckSpec& http = check(R"("http_health_check": {"path": "/h", "host": "x",
    "expected_statuses": [{"start": 200, "end": 300}]}, "no_traffic_interval": "7s")");
  EXPECT_EQ(http.path, "/h");
  EXPECT_EQ(http.interval.count(), 5000);
  EXPECT_EQ(http.no_traffic_interval.count(), 7000);
  EXPECT_EQ(http.unhealthy_threshold, 2u);
  EXPECT_EQ(http.expected_statuses.size(), 1u);
  const HealthCheckSpec& tcp = check(
      R"("tcp_health_check": {"send": {"text": "50494e47"}, "receive": [{"binary": "T0s="}]})");
  EXPECT_EQ(tcp.kind, HealthCheckSpec::Kind::kTcp);
  EXPECT_EQ(tcp.send, "PING");
  EXPECT_EQ(tcp.receive[0], "OK");
  EXPECT_EQ(check(R"("grpc_health_check": {"service_name": "s"})").service, "s");
  for (const char* bad :
       {R"("http_health_check": {"path": "h"})", R"("tcp_health_check": {"send": {"text": "xyz"}})",
        R"("interval_jitter": "1s")"}) {
    EXPECT_NE(Put("\"health_checks\": [{" + std::string(kTimes) + bad + "}]"), "") << bad;
  }
}

TEST_F(BalancingConfigTest, IdleConnections) {
  EXPECT_EQ(Take(R"("metadata": {"filter_metadata": {"tulle": {"max_idle_connections": 10}}})")
                .max_idle_connections,
            10u);
  EXPECT_NE(Put(R"("metadata": {"filter_metadata": {"tulle": {"max_idle_connections": -1}}})"), "");
}

}  // namespace
}  // namespace tulle::config
