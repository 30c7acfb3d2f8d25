#include "control-plane/snapshot/consumer_routes.h"

#include <utility>

namespace tulle::snapshot {
namespace {

std::shared_ptr<const Resource> FindRoutesIn(const ConsumerRoutes::ByNamespace& tables,
                                             std::string_view ns, std::string_view name) {
  const auto table = tables.find(ns);
  if (table == tables.end()) return nullptr;
  const auto found = table->second.find(name);
  return found == table->second.end() ? nullptr : found->second;
}

// Names that differ in the latter, or are not in it.
void CompareRoutes(const ConsumerRoutes::ByNamespace& former,
                   const ConsumerRoutes::ByNamespace& latter, std::set<std::string>* changed) {
  for (const auto& [ns, routes] : former) {
    for (const auto& [name, resource] : routes) {
      const auto other = FindRoutesIn(latter, ns, name);
      if (other == nullptr || other->version != resource->version) changed->insert(name);
    }
  }
}

}  // namespace

std::set<std::string> ConsumerRoutes::Update(const MeshView& view,
                                             const discovery::ServiceName& service) {
  ByNamespace latter;
  if (const auto found = view.services.find(service); found != view.services.end()) {
    for (const std::string& ns : view.policies.ConsumersOf(service))
      AddVipRoutesOf(view, service, found->second, ns, &latter[ns]);
  }
  const auto entry = of_service_.find(service);
  const ByNamespace former = entry == of_service_.end() ? ByNamespace() : std::move(entry->second);
  std::set<std::string> changed;
  CompareRoutes(former, latter, &changed);
  CompareRoutes(latter, former, &changed);
  for (const auto& [ns, routes] : former) {
    ResourceTable& table = tables_[ns];
    for (const auto& [name, resource] : routes) table.erase(name);
    if (table.empty()) tables_.erase(ns);
  }
  for (const auto& [ns, routes] : latter) tables_[ns].insert(routes.begin(), routes.end());
  if (entry != of_service_.end()) of_service_.erase(entry);
  if (!latter.empty()) of_service_.emplace(service, std::move(latter));
  return changed;
}

std::shared_ptr<const Resource> ConsumerRoutes::Find(std::string_view ns,
                                                     std::string_view name) const {
  return FindRoutesIn(tables_, ns, name);
}

}  // namespace tulle::snapshot
