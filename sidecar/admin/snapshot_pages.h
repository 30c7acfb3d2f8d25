#pragma once

#include <map>
#include <string>

#include "sidecar/config/snapshot.h"
#include "sidecar/upstream/admission.h"
#include "telemetry/metrics.h"

namespace tulle::admin {

// The parts of a snapshot that the admin pages show. Pure. Snapshots contain secrets only inside
// TLS objects, of which only the presence is shown. Sorted by name, so that two dumps can be
// compared.

// One "CLUSTER::ADDRESS::KEY::VALUE" per line, as in Envoy's /clusters. Includes the state of
// health checks and breakers for clusters in `limits`.
using LimitsByCluster = std::map<std::string, upstream::ClusterLimits*>;
std::string ClustersText(const config::Snapshot& snapshot, const LimitsByCluster& limits = {});
std::string ClustersJson(const config::Snapshot& snapshot, const LimitsByCluster& limits = {});
// One "NAME::ADDRESS" per line, as in Envoy's /listeners.
std::string ListenersText(const config::Snapshot& snapshot);
std::string ListenersJson(const config::Snapshot& snapshot);
// Listeners with their chains, route configurations by name, clusters, endpoints.
std::string SnapshotJson(const config::Snapshot& snapshot);

// Sets the gauges of one cluster's limits. Call before a scrape, on the registry's thread.
void ShowLimits(telemetry::Registry& registry, const upstream::ClusterSpec& cluster,
                upstream::ClusterLimits& limits);

}  // namespace tulle::admin
