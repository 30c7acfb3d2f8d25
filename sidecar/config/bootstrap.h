#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/base/socket_address.h"
#include "sidecar/config/snapshot_loader.h"

namespace tulle::config {

// dynamic_resources.ads_config.
struct AdsSpec {
  std::string cluster;
  std::string authority;  // empty: the cluster's name
  bool delta = true;      // DELTA_GRPC, else GRPC
};

// An Envoy v3 bootstrap, read. Source: envoy.config.bootstrap.v3.Bootstrap.
struct Bootstrap {
  struct StaticResource {
    ResourceKind kind = ResourceKind::kListener;
    std::string name;
    std::string bytes;
    std::string where;  // "static_resources.listeners[0]"
  };

  std::string node_id;
  std::string node_cluster;
  std::string node_bytes;  // envoy.config.core.v3.Node, for discovery requests
  std::optional<SocketAddress> admin;
  std::optional<AdsSpec> ads;
  bool dynamic_listeners = false;  // lds_config: subscribe to all
  bool dynamic_clusters = false;   // cds_config
  // overload_manager: global_downstream_max_connections; 0: no limit.
  uint64_t max_downstream_connections = 0;
  std::vector<StaticResource> resources;  // secrets, clusters, listeners: the order to load them in
  std::vector<std::string> without_effect;
};

// Text in YAML or JSON. Every error begins with `file` and names the field.
absl::StatusOr<Bootstrap> ParseBootstrap(std::string_view text, std::string_view file);

// Loads all its resources; the error lists everything that is wrong, one per line.
absl::Status LoadStaticResources(const Bootstrap& bootstrap, std::string_view file,
                                 SnapshotLoader& loader);

}  // namespace tulle::config
