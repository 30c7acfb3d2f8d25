#include "sidecar/config/snapshot_rings.h"

#include <memory>

#include "sidecar/upstream/ring.h"

namespace tulle::config {
namespace {

// Null: no EDS response yet.
std::shared_ptr<const upstream::EndpointSet> EndpointsOf(const Snapshot& snapshot,
                                                         const upstream::ClusterSpec& cluster) {
  if (!cluster.uses_eds) return cluster.static_endpoints;
  const auto found = snapshot.endpoints.find(cluster.eds_name);
  return found == snapshot.endpoints.end() ? nullptr : found->second;
}

// The ring of the same cluster with the same endpoints, or null.
std::shared_ptr<const upstream::Ring> RingOf(
    const Snapshot& before, const std::string& name,
    const std::shared_ptr<const upstream::ClusterSpec>& cluster,
    const std::shared_ptr<const upstream::EndpointSet>& endpoints) {
  const auto old = before.clusters.find(name);
  const auto ring = before.rings.find(name);
  if (old == before.clusters.end() || ring == before.rings.end()) return nullptr;
  const bool same = old->second == cluster && EndpointsOf(before, *cluster) == endpoints;
  return same ? ring->second : nullptr;
}

}  // namespace

void AddRings(const Snapshot* before, Snapshot& snapshot) {
  for (const auto& [name, cluster] : snapshot.clusters) {
    if (cluster->balancing != upstream::Balancing::kRingHash) continue;
    const auto endpoints = EndpointsOf(snapshot, *cluster);
    if (endpoints == nullptr) continue;
    auto ring = before == nullptr ? nullptr : RingOf(*before, name, cluster, endpoints);
    if (ring == nullptr)
      ring =
          std::make_shared<upstream::Ring>(*endpoints, cluster->ring, cluster->locality_weighted);
    snapshot.rings.emplace(name, std::move(ring));
  }
}

}  // namespace tulle::config
