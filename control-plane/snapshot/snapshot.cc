#include "control-plane/snapshot/snapshot.h"

#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/snapshot/mesh_view.h"

namespace tulle::snapshot {

// The parser refuses the others; should one come in anyway, the mesh service wins.
std::vector<const policy::ExternalService*> MeshView::ExternalServices() const {
  std::vector<const policy::ExternalService*> found;
  for (const policy::Document* document : mesh.policies.ExternalServices()) {
    const auto& external = std::get<policy::ExternalService>(document->spec);
    const bool is_of_mesh =
        std::any_of(external.hosts.begin(), external.hosts.end(), policy::IsMeshName);
    if (!is_of_mesh) found.push_back(&external);
  }
  return found;
}

const ResourceTable* Snapshot::TableOf(std::string_view type_url) const {
  if (type_url == kClusterType) return &clusters;
  if (type_url == kEndpointType) return &endpoints;
  if (type_url == kListenerType) return &listeners;
  if (type_url == kRouteType) return &routes;
  if (type_url == kSecretType) return &secrets;
  return nullptr;
}

bool Snapshot::IsEmpty() const {
  return clusters.empty() && endpoints.empty() && listeners.empty() && routes.empty() &&
         secrets.empty();
}

}  // namespace tulle::snapshot
