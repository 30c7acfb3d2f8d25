// Routes of virtual addresses as callers see them whose namespace has routes of its own for a
// Service of another namespace (consumer routes, GEP-1426). Nothing is kept for other namespaces.
// Owner: SharedResources. Thread: one.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "control-plane/discovery/mesh.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/snapshot.h"

namespace tulle::snapshot {

class ConsumerRoutes {
 public:
  using ByNamespace = std::map<std::string, ResourceTable, std::less<>>;

  // The service, or a route that names it, has changed. Returns the names of route configurations
  // that have come out different for some namespace.
  std::set<std::string> Update(const MeshView& view, const discovery::ServiceName& service);
  // Null: callers in this namespace get what all others get.
  std::shared_ptr<const Resource> Find(std::string_view ns, std::string_view name) const;

 private:
  ByNamespace tables_;
  std::map<discovery::ServiceName, ByNamespace> of_service_;  // what each has in tables_
};

}  // namespace tulle::snapshot
