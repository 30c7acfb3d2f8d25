// Reads load balancing policies and their settings.
#include "sidecar/config/balancing_config.h"

#include "absl/strings/str_cat.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/peak_ewma/v3alpha/peak_ewma.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "sidecar/config/values.h"

namespace tulle::config {
namespace {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace policies = envoy::extensions::load_balancing_policies;

constexpr uint64_t kMaxRing = 8 * 1024 * 1024;

// Cluster.SlowStartConfig, or the common one of load_balancing_policies: the fields are the same.
template <typename Config>
absl::Status ReadSlowStart(bool present, const Config& config, const FieldPath& at,
                           upstream::SlowStart& slow) {
  if (!present) return absl::OkStatus();
  TULLE_READ_MILLISECONDS(config, slow_start_window, at, slow.window);
  if (config.has_aggression()) slow.aggression = config.aggression().default_value();
  if (!(slow.aggression > 0)) return (at / "aggression").Error("must be greater than 0");
  if (config.has_min_weight_percent()) {
    const double percent = config.min_weight_percent().value();
    if (!(percent >= 0 && percent <= 100)) {
      return (at / "min_weight_percent").Error("must be 0 to 100");
    }
    slow.min_weight_percent = static_cast<uint32_t>(percent);
  }
  return absl::OkStatus();
}

// Cluster.LeastRequestLbConfig, or the policy of the same name.
template <typename Config>
absl::Status ReadLeastRequest(const Config& config, const FieldPath& at,
                              upstream::ClusterSpec& spec) {
  if (config.has_choice_count()) {
    spec.least_request_choices = config.choice_count().value();
    if (spec.least_request_choices < 2) return (at / "choice_count").Error("must be at least 2");
  }
  if (config.has_active_request_bias()) {
    spec.active_request_bias = config.active_request_bias().default_value();
    if (!(spec.active_request_bias >= 0)) {
      return (at / "active_request_bias").Error("must not be negative");
    }
  }
  return ReadSlowStart(config.has_slow_start_config(), config.slow_start_config(),
                       at / "slow_start_config", spec.slow_start);
}

// Cluster.RingHashLbConfig, or the policy RingHash.
template <typename Config>
absl::Status ReadRing(const Config& config, const FieldPath& at, upstream::RingSpec& ring) {
  if (config.hash_function() == Config::MURMUR_HASH_2) {
    return (at / "hash_function").Error("MURMUR_HASH_2 is not implemented: use XX_HASH");
  }
  if (config.has_minimum_ring_size()) ring.min_size = config.minimum_ring_size().value();
  if (config.has_maximum_ring_size()) ring.max_size = config.maximum_ring_size().value();
  if (ring.min_size > kMaxRing) {
    return (at / "minimum_ring_size").Error(absl::StrCat("must be at most ", kMaxRing));
  }
  if (ring.max_size > kMaxRing) {
    return (at / "maximum_ring_size").Error(absl::StrCat("must be at most ", kMaxRing));
  }
  if (ring.min_size > ring.max_size) {
    return (at / "minimum_ring_size").Error("must be at most maximum_ring_size");
  }
  return absl::OkStatus();
}

absl::Status ReadPeakEwma(const policies::peak_ewma::v3alpha::PeakEwma& config, const FieldPath& at,
                          upstream::ClusterSpec& spec) {
  spec.balancing = upstream::Balancing::kPeakEwma;
  TULLE_READ_MILLISECONDS(config, decay_time, at, spec.ewma.decay);
  TULLE_READ_MILLISECONDS(config, default_rtt, at, spec.ewma.first_rtt);
  if (spec.ewma.decay.count() == 0) return (at / "decay_time").Error("must be greater than 0");
  return absl::OkStatus();
}

absl::Status ReadRingPolicy(const policies::ring_hash::v3::RingHash& config, const FieldPath& at,
                            upstream::ClusterSpec& spec) {
  spec.balancing = upstream::Balancing::kRingHash;
  spec.locality_weighted = config.has_locality_weighted_lb_config();
  spec.ring.by_hostname = config.use_hostname_for_hashing() ||
                          config.consistent_hashing_lb_config().use_hostname_for_hashing();
  return ReadRing(config, at, spec.ring);
}

template <typename Config>
void ReadLocality(const Config& config, upstream::ClusterSpec& spec) {
  spec.locality_weighted = config.has_locality_weighted_lb_config();
  spec.fail_in_panic = config.zone_aware_lb_config().fail_traffic_on_panic();
}

// False: another policy.
absl::StatusOr<bool> ReadOnePolicy(const google::protobuf::Any& config, const FieldPath& at,
                                   upstream::ClusterSpec& spec) {
  policies::round_robin::v3::RoundRobin round;
  if (config.UnpackTo(&round)) {
    ReadLocality(round.locality_lb_config(), spec);
    const auto status = ReadSlowStart(round.has_slow_start_config(), round.slow_start_config(),
                                      at / "slow_start_config", spec.slow_start);
    if (!status.ok()) return status;
    return true;
  }
  policies::least_request::v3::LeastRequest least;
  if (config.UnpackTo(&least)) {
    spec.balancing = upstream::Balancing::kLeastRequest;
    ReadLocality(least.locality_lb_config(), spec);
    if (auto status = ReadLeastRequest(least, at, spec); !status.ok()) return status;
    return true;
  }
  policies::random::v3::Random random;
  if (config.UnpackTo(&random)) {
    spec.balancing = upstream::Balancing::kRandom;
    ReadLocality(random.locality_lb_config(), spec);
    return true;
  }
  policies::ring_hash::v3::RingHash ring;
  if (config.UnpackTo(&ring)) {
    if (auto status = ReadRingPolicy(ring, at, spec); !status.ok()) return status;
    return true;
  }
  policies::peak_ewma::v3alpha::PeakEwma ewma;
  if (config.UnpackTo(&ewma)) {
    if (auto status = ReadPeakEwma(ewma, at, spec); !status.ok()) return status;
    return true;
  }
  return false;
}

absl::Status ReadPolicy(const cluster_v3::Cluster& cluster, const FieldPath& at,
                        upstream::ClusterSpec& spec) {
  const auto& list = cluster.load_balancing_policy().policies();
  for (int i = 0; i < list.size(); ++i) {
    const FieldPath here = (at / "policies")[static_cast<size_t>(i)] / "typed_extension_config";
    const auto taken =
        ReadOnePolicy(list[i].typed_extension_config().typed_config(), here / "typed_config", spec);
    if (!taken.ok()) return taken.status();
    if (*taken) return absl::OkStatus();
  }
  return at.Error(
      "no implemented policy found: use RoundRobin, LeastRequest, Random, RingHash or "
      "PeakEwma");
}

absl::Status ReadEnum(const cluster_v3::Cluster& cluster, const FieldPath& at,
                      upstream::ClusterSpec& spec) {
  ReadLocality(cluster.common_lb_config(), spec);
  spec.ring.by_hostname =
      cluster.common_lb_config().consistent_hashing_lb_config().use_hostname_for_hashing();
  switch (cluster.lb_policy()) {
    case cluster_v3::Cluster::ROUND_ROBIN:
      return ReadSlowStart(cluster.round_robin_lb_config().has_slow_start_config(),
                           cluster.round_robin_lb_config().slow_start_config(),
                           at / "round_robin_lb_config.slow_start_config", spec.slow_start);
    case cluster_v3::Cluster::LEAST_REQUEST:
      spec.balancing = upstream::Balancing::kLeastRequest;
      return ReadLeastRequest(cluster.least_request_lb_config(), at / "least_request_lb_config",
                              spec);
    case cluster_v3::Cluster::RANDOM:
      spec.balancing = upstream::Balancing::kRandom;
      return absl::OkStatus();
    case cluster_v3::Cluster::CLUSTER_PROVIDED:
      if (spec.original_destination) return absl::OkStatus();
      return (at / "lb_policy").Error("CLUSTER_PROVIDED requires type ORIGINAL_DST");
    case cluster_v3::Cluster::RING_HASH:
      spec.balancing = upstream::Balancing::kRingHash;
      return ReadRing(cluster.ring_hash_lb_config(), at / "ring_hash_lb_config", spec.ring);
    default:
      return (at / "lb_policy")
          .Error(absl::StrCat(
              cluster_v3::Cluster::LbPolicy_Name(cluster.lb_policy()),
              " is not implemented: use ROUND_ROBIN, LEAST_REQUEST, RANDOM or RING_HASH"));
  }
}

}  // namespace

absl::Status ReadBalancing(const cluster_v3::Cluster& cluster, const FieldPath& at,
                           upstream::ClusterSpec& spec) {
  const double panic = cluster.common_lb_config().has_healthy_panic_threshold()
                           ? cluster.common_lb_config().healthy_panic_threshold().value()
                           : 50;
  if (!(panic >= 0 && panic <= 100)) {
    return (at / "common_lb_config.healthy_panic_threshold").Error("must be 0 to 100");
  }
  spec.panic_percent = static_cast<uint32_t>(panic);
  return cluster.has_load_balancing_policy()
             ? ReadPolicy(cluster, at / "load_balancing_policy", spec)
             : ReadEnum(cluster, at, spec);
}

}  // namespace tulle::config
