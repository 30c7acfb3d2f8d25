// The EndpointSlices of a cluster, found by their Service, by the workloads that they name and by
// the addresses of endpoints that were written by hand. Whoever may write to a namespace writes any
// uid and any address into its slices: they are found by those who ask for that namespace alone,
// and of those that say the same only a bounded number counts, the first by name. So what a change
// costs does not grow with what others have written. Owner: ClusterState. Thread: one. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

class SliceIndex {
 public:
  // The slices of more Services than one pod is likely to be in, of two IP versions.
  static constexpr size_t kMostSlicesOfWorkload = 128;
  static constexpr size_t kMostByHandAtAddress = 32;

  using Ids = std::set<std::string>;  // of workloads
  using Keys = std::set<ObjectKey>;   // of EndpointSlices
  struct Touched {
    Ids ids;
    std::set<std::string> addresses;  // of endpoints that were written by hand
  };
  struct Mention {
    const std::string& id;
    const SliceFacts& slice;

    const EndpointFacts& endpoint() const { return slice.endpoints.at(id); }
  };

  // Nullopt: it is gone.
  Touched Set(const ObjectKey& key, std::optional<SliceFacts> facts);

  const SliceFacts& at(const ObjectKey& key) const { return slices_.at(key); }
  const Keys& Of(const ServiceName& service) const;
  // Slices of the namespace that name the workload, at most kMostSlicesOfWorkload.
  std::vector<Mention> Naming(const std::string& ns, const std::string& id) const;
  // Endpoints of the namespace without a pod, at most kMostByHandAtAddress.
  std::vector<Mention> ByHandAt(const std::string& ns, const std::string& address) const;

  static void AddTouched(const SliceFacts& slice, Touched* touched);
  // Whose endpoints are on that node.
  Ids IdsOn(const std::string& node) const;
  Ids All() const;

 private:
  using Scoped = std::pair<std::string, std::string>;  // in a namespace: an id, or an address
  using Endpoint = std::pair<std::string, ObjectKey>;  // a workload, and the slice that names it

  void AddCounted(const std::string& ns, Touched* touched) const;
  void Add(const ObjectKey& key, const SliceFacts& facts);
  void Remove(const ObjectKey& key, const SliceFacts& facts);

  std::map<ObjectKey, SliceFacts> slices_;
  std::map<ServiceName, Keys> of_;
  std::map<Scoped, Keys> naming_;                 // by workload
  std::map<Scoped, std::set<Endpoint>> by_hand_;  // by address
};

}  // namespace tulle::kubernetes
