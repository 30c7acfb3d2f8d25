#include "sidecar/upstream/cluster_table.h"

#include <algorithm>
#include <utility>

namespace tulle::upstream {

void ClusterTable::Put(std::shared_ptr<const ClusterSpec> spec,
                       std::shared_ptr<ClusterLimits> limits, std::shared_ptr<const Ring> ring) {
  std::unique_ptr<Cluster>& cluster = clusters_[spec->name];
  if (cluster == nullptr) {
    cluster = std::make_unique<Cluster>(loop_, deadlines_, std::move(spec), std::move(limits),
                                        std::move(ring), breakers_);
  } else {
    cluster->Update(std::move(spec), std::move(ring));
  }
}

void ClusterTable::SetEndpoints(std::string_view cluster,
                                std::shared_ptr<const EndpointSet> endpoints,
                                std::shared_ptr<const Ring> ring) {
  if (Cluster* found = Find(cluster)) found->SetEndpoints(std::move(endpoints), std::move(ring));
}

void ClusterTable::Remove(std::string_view name) {
  auto found = clusters_.find(Key(name));
  if (found == clusters_.end()) return;
  std::unique_ptr<Cluster> cluster = std::move(found->second);
  clusters_.erase(found);
  if (cluster->users == 0) return loop_.DeferDelete(std::move(cluster));
  removed_.push_back(std::move(cluster));
}

void ClusterTable::Release(Cluster& cluster) {
  if (--cluster.users > 0 || removed_.empty()) return;
  auto found = std::find_if(removed_.begin(), removed_.end(),
                            [&](const auto& one) { return one.get() == &cluster; });
  if (found == removed_.end()) return;
  loop_.DeferDelete(std::move(*found));
  removed_.erase(found);
}

std::vector<Cluster*> ClusterTable::Sorted() {
  std::vector<Cluster*> all;
  for (auto& [name, cluster] : clusters_) all.push_back(cluster.get());
  std::sort(all.begin(), all.end(),
            [](const Cluster* a, const Cluster* b) { return a->spec().name < b->spec().name; });
  return all;
}

}  // namespace tulle::upstream
