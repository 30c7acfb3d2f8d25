#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::upstream {

// The clusters of one worker by name. A removed cluster takes no new users and is deleted when the
// last has left. Owner: Worker. Thread: the worker's.
class ClusterTable {
 public:
  // `breakers` null: nobody is told.
  ClusterTable(loop::Loop& loop, loop::Deadlines& deadlines, BreakerObserver* breakers = nullptr)
      : loop_(loop), deadlines_(deadlines), breakers_(breakers) {}

  // `ring`: the hash ring of the cluster's endpoints, if it has one.
  void Put(std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<ClusterLimits> limits,
           std::shared_ptr<const Ring> ring = nullptr);
  void SetEndpoints(std::string_view cluster, std::shared_ptr<const EndpointSet> endpoints,
                    std::shared_ptr<const Ring> ring = nullptr);
  void Remove(std::string_view name);

  // Takes a reference; null: no such cluster. Each Acquire needs one Release.
  Cluster* Acquire(std::string_view name) {
    auto found = clusters_.find(Key(name));
    if (found == clusters_.end()) return nullptr;
    ++found->second->users;
    return found->second.get();
  }
  void Release(Cluster& cluster);

  Cluster* Find(std::string_view name) {
    auto found = clusters_.find(Key(name));
    return found == clusters_.end() ? nullptr : found->second.get();
  }
  std::vector<Cluster*> Sorted();

 private:
  static absl::string_view Key(std::string_view name) { return {name.data(), name.size()}; }

  loop::Loop& loop_;
  loop::Deadlines& deadlines_;
  BreakerObserver* const breakers_;
  absl::flat_hash_map<std::string, std::unique_ptr<Cluster>> clusters_;
  std::vector<std::unique_ptr<Cluster>> removed_;
};

}  // namespace tulle::upstream
