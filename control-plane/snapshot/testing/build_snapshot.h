// All that one node sees of a mesh that does not change, made at once. The xDS server makes the
// same resources change by change (shared_resources.h); tests compare the two. Thread: any.
#pragma once

#include <memory>

#include "control-plane/discovery/mesh.h"
#include "control-plane/snapshot/snapshot.h"

namespace tulle::snapshot {

Snapshot BuildSnapshot(const discovery::Mesh& mesh, const NodeView& node);

// Snapshots of one mesh with the resources that nodes have in common made once. Same results as
// BuildSnapshot.
class SnapshotFactory {
 public:
  explicit SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh);
  ~SnapshotFactory();

  Snapshot Build(const NodeView& node);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tulle::snapshot
