#include "control-plane/snapshot/shared_resources.h"

#include <utility>

#include "control-plane/snapshot/names.h"

namespace tulle::snapshot {
namespace {

using Scope = discovery::MeshChanges::Scope;

constexpr char kExternal[] = "external";
constexpr char kCollectors[] = "collectors";
constexpr char kSecrets[] = "secrets";

std::string GroupOf(const discovery::ServiceName& name) {
  return "service/" + name.ns + "/" + name.name;
}

}  // namespace

SharedResources::SharedResources(const discovery::Mesh& mesh,
                                 const discovery::ServiceTable& services)
    : mesh_(mesh), services_(services) {
  AddInterceptionClusters(&interception_clusters_);
  discovery::MeshChanges all;
  for (const auto& [name, service] : services_) all.services[name] = Scope::kWhole;
  all.policies = all.external_services = all.collectors = all.trust_bundle = true;
  Update(all);
}

xds::ChangedNames SharedResources::Update(const discovery::MeshChanges& changes) {
  xds::ChangedNames changed;
  if (changes.policies) policies_ = std::make_unique<policy::PolicyIndex>(mesh_.policies);
  for (const auto& [name, scope] : changes.services) UpdateService(name, scope, &changed);
  if (changes.external_services) UpdateExternalServices(&changed);
  if (changes.collectors) {
    Snapshot fresh;
    AddCollectors(view(), &fresh.clusters);
    Replace(kCollectors, std::move(fresh), &changed);
  }
  if (changes.trust_bundle) {
    Snapshot fresh;
    AddSecrets(view(), &fresh.secrets);
    Replace(kSecrets, std::move(fresh), &changed);
  }
  if (changes.routes) {
    routes_.clear();
    changed[std::string(kRouteType)].insert(kOutboundHttp);
  }
  return changed;
}

bool SharedResources::Has(const discovery::ServiceName& service) const {
  return groups_.contains(GroupOf(service));
}

void SharedResources::UpdateService(const discovery::ServiceName& name, Scope scope,
                                    xds::ChangedNames* changed) {
  const std::string group = GroupOf(name);
  if (scope == Scope::kWhole || scope == Scope::kConsumerRoutes) {
    const std::set<std::string> routes = consumer_routes_.Update(view(), name);
    if (!routes.empty()) (*changed)[std::string(kRouteType)].insert(routes.begin(), routes.end());
  }
  if (scope == Scope::kConsumerRoutes) return;
  if (scope != Scope::kListeners) UpdateLocal(name, changed);
  members_.Update(view(), name, changed);
  const auto service = services_.find(name);
  if (service == services_.end()) return Replace(group, {}, changed);
  Snapshot fresh;
  if (scope != Scope::kWhole) fresh = groups_[group];
  if (scope != Scope::kListeners) {
    fresh.endpoints.clear();
    AddEndpointsOf(view(), name, service->second, "", &fresh.endpoints);
  }
  if (scope != Scope::kEndpoints) {
    fresh.listeners.clear();
    AddVipListenersOf(view(), name, service->second, &fresh.listeners);
  }
  if (scope == Scope::kWhole) {
    AddClustersOf(view(), name, service->second, &fresh.clusters);
    AddVipRoutesOf(view(), name, service->second, name.ns, &fresh.routes);
  }
  Replace(group, std::move(fresh), changed);
}

// What these callers get may change while what all others get does not.
void SharedResources::UpdateLocal(const discovery::ServiceName& name, xds::ChangedNames* changed) {
  LocalEndpoints::Clusters clusters;
  const auto service = services_.find(name);
  if (service != services_.end() && PrefersOwnLocality(view(), name)) {
    for (const auto& [number, port] : service->second.ports) {
      clusters.insert(OutboundCluster(discovery::HostOf(name), number));
    }
  }
  const LocalEndpoints::Clusters touched = local_endpoints_.Update(name, clusters);
  if (!touched.empty())
    (*changed)[std::string(kEndpointType)].insert(touched.begin(), touched.end());
}

void SharedResources::UpdateExternalServices(xds::ChangedNames* changed) {
  Snapshot fresh;
  AddExternalClusters(view(), &fresh.clusters);
  AddExternalEndpoints(view(), &fresh.endpoints);
  AddExternalVipRoutes(view(), &fresh.routes);
  AddExternalVipListeners(view(), &fresh.listeners);
  Replace(kExternal, std::move(fresh), changed);
}

void SharedResources::Replace(const std::string& group, Snapshot resources,
                              xds::ChangedNames* changed) {
  Snapshot& former = groups_[group];
  ReplaceTable(kClusterType, former.clusters, &resources.clusters, &all_.clusters, changed);
  ReplaceTable(kEndpointType, former.endpoints, &resources.endpoints, &all_.endpoints, changed);
  ReplaceTable(kListenerType, former.listeners, &resources.listeners, &all_.listeners, changed);
  ReplaceTable(kRouteType, former.routes, &resources.routes, &all_.routes, changed);
  ReplaceTable(kSecretType, former.secrets, &resources.secrets, &all_.secrets, changed);
  former = std::move(resources);
  if (former.IsEmpty()) groups_.erase(group);
}

void SharedResources::ReplaceTable(std::string_view type, const ResourceTable& former,
                                   ResourceTable* latter, ResourceTable* all,
                                   xds::ChangedNames* changed) {
  for (const auto& [name, resource] : former) {
    if (latter->contains(name)) continue;
    all->erase(name);
    (*changed)[std::string(type)].insert(name);
  }
  for (auto& [name, resource] : *latter) {
    const auto before = former.find(name);
    if (before != former.end() && before->second == resource) continue;
    ++made_;
    if (before != former.end() && before->second->version == resource->version) {
      resource = before->second;
      continue;
    }
    all->insert_or_assign(name, resource);
    (*changed)[std::string(type)].insert(name);
  }
}

std::shared_ptr<const Resource> SharedResources::OutboundRoutes(const std::string& ns) {
  std::shared_ptr<const Resource>& routes = routes_[ns];
  if (routes == nullptr) {
    ResourceTable table;
    AddOutboundRoutes(view(), ns, &table);
    ++made_;
    routes = table.at(kOutboundHttp);
  }
  return routes;
}

std::shared_ptr<const Resource> SharedResources::EndpointsFrom(const std::string& locality,
                                                               std::string_view cluster) {
  if (!locality.empty() && local_endpoints_.Has(cluster)) {
    if (auto local = local_endpoints_.Find(view(), locality, cluster)) return local;
  }
  const auto found = all_.endpoints.find(cluster);
  return found == all_.endpoints.end() ? nullptr : found->second;
}

std::shared_ptr<const Resource> SharedResources::VipRoutesFrom(const std::string& ns,
                                                               std::string_view name) const {
  if (auto own = consumer_routes_.Find(ns, name)) return own;
  const auto found = all_.routes.find(name);
  return found == all_.routes.end() ? nullptr : found->second;
}

}  // namespace tulle::snapshot
