#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/tls_config.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::config {

absl::StatusOr<std::shared_ptr<const upstream::ClusterSpec>> ToCluster(
    const envoy::config::cluster::v3::Cluster& cluster, TlsConversion& conversion,
    const FieldPath& at);

absl::StatusOr<std::shared_ptr<const upstream::EndpointSet>> ToEndpoints(
    const envoy::config::endpoint::v3::ClusterLoadAssignment& assignment, const FieldPath& at);

}  // namespace tulle::config
