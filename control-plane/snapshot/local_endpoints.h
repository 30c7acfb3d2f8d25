// The endpoints of services whose callers prefer their own locality, by the caller's locality. Made
// when they are first asked for, and kept for the localities that were asked for last: a locality
// is a text that any sidecar may choose. Owner: SharedResources. Thread: one.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "control-plane/discovery/mesh.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/snapshot.h"

namespace tulle::snapshot {

class LocalEndpoints {
 public:
  using Clusters = std::set<std::string, std::less<>>;

  // The service has changed: these of its clusters depend on the caller's locality, none if
  // `clusters` is empty. Returns the clusters whose endpoints may differ for such callers.
  Clusters Update(const discovery::ServiceName& service, const Clusters& clusters);
  // Whether the caller's locality matters.
  bool Has(std::string_view cluster) const { return service_of_.contains(cluster); }
  // Null: the mesh may be ahead of the last Update(), and the service or the port gone.
  std::shared_ptr<const Resource> Find(const MeshView& view, const std::string& locality,
                                       std::string_view cluster);

 private:
  static constexpr size_t kMostLocalities = 256;

  ResourceTable& TableOf(const std::string& locality);

  std::map<std::string, discovery::ServiceName, std::less<>> service_of_;  // by cluster
  std::map<discovery::ServiceName, Clusters> clusters_of_;
  std::map<std::string, ResourceTable> tables_;  // by locality
  std::deque<std::string> order_;                // of their making
};

}  // namespace tulle::snapshot
