#pragma once

#include "absl/status/status.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::config {

// Cluster.health_checks: at most one.
absl::Status ReadHealthChecks(const envoy::config::cluster::v3::Cluster& cluster,
                              const FieldPath& at, upstream::ClusterSpec& spec);

}  // namespace tulle::config
