#pragma once

#include "absl/status/status.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::config {

// How a cluster chooses endpoints: lb_policy with its configurations, or the first implemented
// entry of load_balancing_policy, as in Envoy; and common_lb_config.
absl::Status ReadBalancing(const envoy::config::cluster::v3::Cluster& cluster, const FieldPath& at,
                           upstream::ClusterSpec& spec);

}  // namespace tulle::config
