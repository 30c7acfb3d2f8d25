#pragma once

#include <set>
#include <string>

#include "sidecar/config/resource_store.h"
#include "sidecar/config/secret_spec.h"
#include "sidecar/config/snapshot_loader.h"

// The state of SnapshotLoader: one store for each kind of resource.
namespace tulle::config {

struct SnapshotLoader::Resources {
  ResourceStore<ListenerSpec> listeners;
  ResourceStore<route::RouteTable> routes;
  ResourceStore<upstream::ClusterSpec> clusters;
  ResourceStore<upstream::EndpointSet> endpoints;
  ResourceStore<SecretSpec> secrets;
  // Clusters that the control plane reported as not existing.
  std::set<std::string, std::less<>> absent_clusters;

  // In the order in which resources depend on each other.
  template <typename Visitor>
  void ForEachStore(Visitor visit) const {
    visit(ResourceKind::kSecret, secrets);
    visit(ResourceKind::kCluster, clusters);
    visit(ResourceKind::kEndpoints, endpoints);
    visit(ResourceKind::kRoute, routes);
    visit(ResourceKind::kListener, listeners);
  }
};

}  // namespace tulle::config
