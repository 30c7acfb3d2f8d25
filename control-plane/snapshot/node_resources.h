// What one node may see: the shared resources, and its own. A description of the node and lookups,
// nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "control-plane/discovery/mesh.h"
#include "control-plane/snapshot/shared_resources.h"
#include "control-plane/snapshot/snapshot.h"
#include "xds/server/view.h"

namespace tulle::snapshot {

// What each node alone is sent: listeners and clusters of its own ports. They are made when they
// are needed and kept for the nodes that were asked for last, since a node needs them once for
// each change. Owner: the control plane. Thread: one.
class OwnResources {
 public:
  explicit OwnResources(const SharedResources& shared) : shared_(shared) {}

  // Valid until the next call.
  const Snapshot& Of(const discovery::Workload& workload);
  // The workload, or the policies that concern it, have changed.
  void Forget(const std::string& workload);
  uint64_t made() const { return made_; }

 private:
  static constexpr size_t kMostKept = 64;

  const SharedResources& shared_;
  std::map<std::string, Snapshot> kept_;  // by workload id
  std::deque<std::string> order_;         // of making; ids that are forgotten may be in it
  uint64_t made_ = 0;
};

// Owner: the node's xDS session. Thread: one. `shared` and `own` outlive it.
class NodeResources final : public xds::View {
 public:
  NodeResources(SharedResources& shared, OwnResources& own, NodeView node)
      : shared_(shared), own_(own), node_(std::move(node)) {}
  // Of a node that is not registered any more: it sees itself as it was, and keeps what it has.
  NodeResources(SharedResources& shared, OwnResources& own, NodeView node,
                discovery::Workload former)
      : shared_(shared), own_(own), node_(std::move(node)), former_(std::move(former)) {}

  bool Serves(std::string_view type_url) const override;
  Found Find(std::string_view type_url, std::string_view name) const override;
  void ForEach(std::string_view type_url, const Visit& visit) const override;
  bool KeepsRemoved() const override;

  // All it can see of a type, by name too.
  ResourceTable TableOf(std::string_view type_url) const;
  // Of all types.
  Snapshot ToSnapshot() const;

 private:
  // What all nodes of this kind get, and what becomes of it for this one: see own_certificate.h.
  Found FindCommon(std::string_view type_url, std::string_view name) const;
  void ForEachCommon(std::string_view type_url, const Visit& visit) const;
  std::shared_ptr<const Resource> Adapted(std::string_view type_url, const std::string& name,
                                          const std::shared_ptr<const Resource>& common) const;

  // Null: it is neither registered nor was it.
  const discovery::Workload* Self() const;
  const std::string& LocalityOf(const discovery::Workload& self) const {
    return self.locality.empty() ? node_.locality : self.locality;
  }
  void ForEachListener(const discovery::Workload& self, const Visit& visit) const;
  std::shared_ptr<const Resource> FindRoutes(const discovery::Workload& self,
                                             std::string_view name) const;

  SharedResources& shared_;
  OwnResources& own_;
  const NodeView node_;
  const std::optional<discovery::Workload> former_;
  // With the version that each was made of, by type and name; kept, since a node looks at all of
  // them for each change.
  struct Adaptation {
    std::string version;
    std::shared_ptr<const Resource> resource;
  };
  mutable std::map<std::pair<std::string, std::string>, Adaptation> adapted_;
};

}  // namespace tulle::snapshot
