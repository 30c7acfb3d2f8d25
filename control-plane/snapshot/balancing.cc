#include "control-plane/snapshot/balancing.h"

#include <chrono>

#include "control-plane/snapshot/wire.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/peak_ewma/v3alpha/peak_ewma.pb.h"

namespace tulle::snapshot {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace policies = envoy::extensions::load_balancing_policies;

using policy::LoadBalancing;
using std::chrono::milliseconds;

// What holds when a check's policy does not say.
constexpr milliseconds kCheckInterval{10000};
constexpr milliseconds kCheckTimeout{1000};
constexpr uint32_t kUnhealthyAfter = 3;
constexpr uint32_t kHealthyAfter = 1;
constexpr uint32_t kSlowStartPercent = 10;

template <typename Policy>
void AddPolicy(const char* name, const Policy& policy, clusterv3::Cluster* cluster) {
  auto* extension =
      cluster->mutable_load_balancing_policy()->add_policies()->mutable_typed_extension_config();
  extension->set_name(name);
  Pack(policy, extension->mutable_typed_config());
}

// An Envoy without the extension takes the second.
void SetPeakEwma(clusterv3::Cluster* cluster) {
  policies::peak_ewma::v3alpha::PeakEwma ewma;
  SetDuration(milliseconds(10000), ewma.mutable_decay_time());
  SetDuration(milliseconds(30), ewma.mutable_default_rtt());
  AddPolicy("envoy.load_balancing_policies.peak_ewma", ewma, cluster);
  AddPolicy("envoy.load_balancing_policies.least_request",
            policies::least_request::v3::LeastRequest(), cluster);
}

void SetSlowStart(const policy::SlowStartPolicy& slow, clusterv3::Cluster::SlowStartConfig* out) {
  SetDuration(*slow.window, out->mutable_slow_start_window());
  out->mutable_min_weight_percent()->set_value(slow.min_weight_percent.value_or(kSlowStartPercent));
}

}  // namespace

void SetBalancing(const policy::ResiliencePolicy& policy, clusterv3::Cluster* cluster) {
  const policy::SlowStartPolicy& slow = policy.slow_start;
  const bool slowly = slow.window && slow.window->count() > 0;
  switch (policy.load_balancing.value_or(LoadBalancing::kRoundRobin)) {
    case LoadBalancing::kRoundRobin:
      cluster->set_lb_policy(clusterv3::Cluster::ROUND_ROBIN);
      if (slowly) {
        SetSlowStart(slow, cluster->mutable_round_robin_lb_config()->mutable_slow_start_config());
      }
      break;
    case LoadBalancing::kLeastRequest:
      cluster->set_lb_policy(clusterv3::Cluster::LEAST_REQUEST);
      if (slowly) {
        SetSlowStart(slow, cluster->mutable_least_request_lb_config()->mutable_slow_start_config());
      }
      break;
    case LoadBalancing::kPeakEwma:
      SetPeakEwma(cluster);
      break;
    case LoadBalancing::kRandom:
      cluster->set_lb_policy(clusterv3::Cluster::RANDOM);
      break;
    case LoadBalancing::kConsistentHash:
      cluster->set_lb_policy(clusterv3::Cluster::RING_HASH);
      break;
  }
  if (policy.localities && !policy.localities->weights.empty()) {
    cluster->mutable_common_lb_config()->mutable_locality_weighted_lb_config();
  }
  // No panic unless asked for: when every endpoint is out, the answer is 503, not traffic to the
  // dead.
  cluster->mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(
      policy.breaker.panic_below_percent.value_or(0));
}

void SetHealthCheck(const policy::ResiliencePolicy& policy, clusterv3::Cluster* cluster) {
  if (!policy.health_check) return;
  const policy::HealthCheckPolicy& said = *policy.health_check;
  auto* check = cluster->add_health_checks();
  const milliseconds interval = said.interval.value_or(kCheckInterval);
  SetDuration(said.timeout.value_or(kCheckTimeout), check->mutable_timeout());
  SetDuration(interval, check->mutable_interval());
  SetDuration(interval / 10, check->mutable_interval_jitter());
  SetDuration(interval, check->mutable_no_traffic_interval());
  check->mutable_unhealthy_threshold()->set_value(said.unhealthy_after.value_or(kUnhealthyAfter));
  check->mutable_healthy_threshold()->set_value(said.healthy_after.value_or(kHealthyAfter));
  switch (said.protocol) {
    case policy::HealthCheckProtocol::kHttp:
      check->mutable_http_health_check()->set_path(said.path);
      break;
    case policy::HealthCheckProtocol::kTcp:
      check->mutable_tcp_health_check();
      break;
    case policy::HealthCheckProtocol::kGrpc:
      check->mutable_grpc_health_check()->set_service_name(said.service);
      break;
  }
}

bool HashesSourceIp(const policy::ResiliencePolicy* policy) {
  return policy != nullptr && policy->hash_on && policy->hash_on->source_ip;
}

void SetHashPolicy(const policy::ResiliencePolicy& policy,
                   envoy::config::route::v3::RouteAction* action) {
  if (!policy.hash_on) return;
  const policy::HashOn& said = *policy.hash_on;
  auto* hash = action->add_hash_policy();
  if (!said.header.empty()) {
    hash->mutable_header()->set_header_name(said.header);
  } else if (!said.cookie.empty()) {
    hash->mutable_cookie()->set_name(said.cookie);
    hash->mutable_cookie()->set_path(said.cookie_path);
    if (said.cookie_ttl) SetDuration(*said.cookie_ttl, hash->mutable_cookie()->mutable_ttl());
  } else if (!said.query_parameter.empty()) {
    hash->mutable_query_parameter()->set_name(said.query_parameter);
  } else {
    hash->mutable_connection_properties()->set_source_ip(true);
  }
}

}  // namespace tulle::snapshot
