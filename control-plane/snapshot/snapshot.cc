#include "control-plane/snapshot/snapshot.h"

#include <algorithm>
#include <utility>

#include "control-plane/policy/names.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/node_resources.h"
#include "control-plane/snapshot/shared_resources.h"

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

struct SnapshotFactory::Parts {
  explicit Parts(std::shared_ptr<const discovery::Mesh> of) : mesh(std::move(of)) {}

  std::shared_ptr<const discovery::Mesh> mesh;
  discovery::ServiceTable services = discovery::BuildServiceTable(*mesh);
  SharedResources shared{*mesh, services};
  OwnResources own{shared};
};

SnapshotFactory::SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh)
    : parts_(std::make_unique<Parts>(std::move(mesh))) {}

SnapshotFactory::~SnapshotFactory() = default;

Snapshot SnapshotFactory::Build(const NodeView& node) {
  return NodeResources(parts_->shared, parts_->own, node).ToSnapshot();
}

Snapshot BuildSnapshot(const discovery::Mesh& mesh, const NodeView& node) {
  // Not owned: the factory lives no longer than this call.
  SnapshotFactory factory(std::shared_ptr<const discovery::Mesh>(&mesh, [](const auto*) {}));
  return factory.Build(node);
}

}  // namespace tulle::snapshot
