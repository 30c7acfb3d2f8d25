#pragma once

#include <map>
#include <string>

#include "sidecar/config/snapshot.h"
#include "sidecar/upstream/admission.h"
#include "telemetry/metrics.h"

namespace tulle::admin {

// What of a snapshot the admin pages show. Pure; no secret is in a snapshot but inside TLS objects,
// of which only the presence is shown. Sorted by name, so that two dumps can be compared.

// "CLUSTER::ADDRESS::KEY::VALUE" a line, as Envoy's /clusters.
// With what checks and breakers say of endpoints, for clusters that are in `limits`.
using LimitsByCluster = std::map<std::string, upstream::ClusterLimits*>;
std::string ClustersText(const config::Snapshot& snapshot, const LimitsByCluster& limits = {});
std::string ClustersJson(const config::Snapshot& snapshot, const LimitsByCluster& limits = {});
// "NAME::ADDRESS" a line, as Envoy's /listeners.
std::string ListenersText(const config::Snapshot& snapshot);
std::string ListenersJson(const config::Snapshot& snapshot);
// Listeners with their chains, route configurations by name, clusters, endpoints.
std::string SnapshotJson(const config::Snapshot& snapshot);

// Sets the gauges of one cluster's caps. Call before a scrape, on the registry's thread.
void ShowLimits(telemetry::Registry& registry, const upstream::ClusterSpec& cluster,
                upstream::ClusterLimits& limits);

}  // namespace tulle::admin
