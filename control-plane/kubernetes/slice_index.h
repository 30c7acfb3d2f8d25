// The EndpointSlices of a cluster, found by their Service, by the workloads that they name and by
// the addresses of these. Owner: ClusterState. Thread: one. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

class SliceIndex {
 public:
  using Ids = std::set<std::string>;  // of workloads
  using Keys = std::set<ObjectKey>;   // of EndpointSlices
  // A workload, and the EndpointSlice that names it.
  using Mention = std::pair<std::string, ObjectKey>;

  // Nullopt: it is gone. Returns the workloads that it names or named, and those at the addresses
  // of these.
  Ids Set(const ObjectKey& key, std::optional<SliceFacts> facts);

  const SliceFacts& at(const ObjectKey& key) const { return slices_.at(key); }
  const EndpointFacts& at(const Mention& mention) const {
    return slices_.at(mention.second).endpoints.at(mention.first);
  }
  const Keys& Of(const ServiceName& service) const;
  const Keys& Naming(const std::string& id) const;
  const std::set<Mention>& At(const std::string& address) const;

  // Also those at the addresses of the slice's endpoints, or of the workload.
  void AddIdsOf(const ObjectKey& slice, Ids* ids) const;
  void AddIdsWith(const std::string& id, Ids* ids) const;
  // Whose endpoints are on that node.
  Ids IdsOn(const std::string& node) const;
  Ids All() const;

 private:
  void Add(const ObjectKey& key, const SliceFacts& facts);
  void Remove(const ObjectKey& key, const SliceFacts& facts);

  std::map<ObjectKey, SliceFacts> slices_;
  std::map<ServiceName, Keys> of_;
  std::map<std::string, Keys> naming_;           // by workload
  std::map<std::string, std::set<Mention>> at_;  // by address
};

}  // namespace tulle::kubernetes
