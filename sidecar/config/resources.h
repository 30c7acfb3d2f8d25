#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sidecar/config/secret_spec.h"
#include "sidecar/config/snapshot_loader.h"

// The state that SnapshotLoader keeps for each resource.
namespace tulle::config {

template <typename Spec>
struct Resource {
  std::string bytes;
  std::string where;
  Origin origin = Origin::kDynamic;
  std::shared_ptr<const Spec> accepted;  // the newest
  std::shared_ptr<const Spec> active;    // the one in the snapshot, or null
  std::set<std::string> secrets;         // referenced secrets
  std::set<std::string> missing;         // of those, not available
  std::set<std::string> routes;          // referenced route configurations
  std::set<std::string> clusters;        // referenced clusters
  std::vector<std::string> without_effect;

  bool waits() const { return active != accepted; }
};

template <typename Spec>
using ResourceTable = std::map<std::string, Resource<Spec>, std::less<>>;

struct SnapshotLoader::Resources {
  ResourceTable<ListenerSpec> listeners;
  ResourceTable<route::RouteTable> routes;
  ResourceTable<upstream::ClusterSpec> clusters;
  ResourceTable<upstream::EndpointSet> endpoints;
  ResourceTable<SecretSpec> secrets;
  std::set<std::string, std::less<>> absent_clusters;  // the control plane said so
};

}  // namespace tulle::config
