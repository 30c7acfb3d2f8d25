#include "control-plane/snapshot/testing/build_snapshot.h"

#include <utility>

#include "control-plane/discovery/service_table.h"
#include "control-plane/snapshot/node_resources.h"
#include "control-plane/snapshot/shared_resources.h"

namespace tulle::snapshot {

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
