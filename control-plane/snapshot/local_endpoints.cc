#include "control-plane/snapshot/local_endpoints.h"

#include <utility>

namespace tulle::snapshot {

LocalEndpoints::Clusters LocalEndpoints::Update(const discovery::ServiceName& service,
                                                const Clusters& clusters) {
  Clusters touched = clusters;
  if (const auto former = clusters_of_.find(service); former != clusters_of_.end()) {
    for (const std::string& cluster : former->second) service_of_.erase(cluster);
    touched.merge(former->second);
    clusters_of_.erase(former);
  }
  for (auto& [locality, table] : tables_) {
    for (const std::string& cluster : touched) table.erase(cluster);
  }
  if (clusters.empty()) return touched;
  for (const std::string& cluster : clusters) service_of_.emplace(cluster, service);
  clusters_of_.emplace(service, clusters);
  return touched;
}

ResourceTable& LocalEndpoints::TableOf(const std::string& locality) {
  const auto found = tables_.find(locality);
  if (found != tables_.end()) return found->second;
  if (order_.size() >= kMostLocalities) {
    tables_.erase(order_.front());
    order_.pop_front();
  }
  order_.push_back(locality);
  return tables_[locality];
}

std::shared_ptr<const Resource> LocalEndpoints::Find(const MeshView& view,
                                                     const std::string& locality,
                                                     std::string_view cluster) {
  ResourceTable& table = TableOf(locality);
  if (const auto known = table.find(cluster); known != table.end()) return known->second;
  const discovery::ServiceName& name = service_of_.find(cluster)->second;
  const auto service = view.services.find(name);
  if (service == view.services.end()) return nullptr;
  // Of all its ports; those that the last Update() did not name would not be dropped by the next.
  ResourceTable fresh;
  AddEndpointsOf(view, name, service->second, locality, &fresh);
  for (auto& [each, resource] : fresh) {
    if (service_of_.contains(each)) table.insert_or_assign(each, std::move(resource));
  }
  const auto made = table.find(cluster);
  return made == table.end() ? nullptr : made->second;
}

}  // namespace tulle::snapshot
