#pragma once

#include <memory>
#include <string>

#include "absl/container/btree_map.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/route/route_table.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {
class Ring;
}

namespace tulle::config {

// One version of the whole configuration: a table of separately owned immutable specs. A new
// version shares every unchanged spec with the previous one, so that a worker finds changes by
// comparing pointers. Ordered, so that everything derived from it is in order. Created by
// SnapshotLoader on the main thread; shared by workers.
struct Snapshot {
  template <typename Spec>
  using Table = absl::btree_map<std::string, std::shared_ptr<const Spec>>;

  Table<ListenerSpec> listeners;
  Table<route::RouteTable> routes;  // RDS names; inline tables are in their listeners
  Table<upstream::ClusterSpec> clusters;
  Table<upstream::EndpointSet> endpoints;  // by ClusterSpec::eds_name
  Table<upstream::Ring> rings;             // by cluster, of those that hash and have endpoints
};

}  // namespace tulle::config
