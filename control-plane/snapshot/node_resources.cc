#include "control-plane/snapshot/node_resources.h"

#include <set>
#include <utility>

#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/names.h"
#include "control-plane/snapshot/own_certificate.h"

namespace tulle::snapshot {
namespace {

std::shared_ptr<const Resource> FindIn(const ResourceTable& table, std::string_view name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

void VisitAll(const ResourceTable& table, const xds::View::Visit& visit) {
  for (const auto& [name, resource] : table) visit(name, *resource);
}

// Of an explicit node's listeners for one port of a service, where that is HTTP.
std::set<std::string> RoutesOfListeners(const discovery::Workload& workload) {
  std::set<std::string> names;
  for (const discovery::TcpOutbound& tcp : workload.outbound.tcp)
    names.insert(VipRoutes(discovery::HostOf(tcp.service), tcp.service_port));
  return names;
}

}  // namespace

const Snapshot& OwnResources::Of(const discovery::Workload& workload) {
  const auto found = kept_.find(workload.id);
  if (found != kept_.end()) return found->second;
  while (order_.size() >= kMostKept) {
    kept_.erase(order_.front());
    order_.pop_front();
  }
  ++made_;
  order_.push_back(workload.id);
  Snapshot& own = kept_[workload.id];
  const MeshView view = shared_.view();
  AddInbound(view, workload, &own);
  AddOutboundListeners(view, workload, &own.listeners);
  if (workload.interception) AddInterceptionListeners(view, workload, &own.listeners);
  return own;
}

void OwnResources::Forget(const std::string& workload) {
  if (kept_.erase(workload) > 0) std::erase(order_, workload);
}

const discovery::Workload* NodeResources::Self() const {
  const auto& workloads = shared_.view().mesh.workloads;
  const auto self = workloads.find(node_.workload);
  if (self != workloads.end()) return &self->second;
  return former_ ? &*former_ : nullptr;
}

bool NodeResources::KeepsRemoved() const {
  return !shared_.view().mesh.workloads.contains(node_.workload);
}

bool NodeResources::Serves(std::string_view type_url) const {
  if (type_url == kSecretType && !shared_.serves_secrets()) return false;
  return Snapshot().TableOf(type_url) != nullptr;
}

std::shared_ptr<const Resource> NodeResources::FindRoutes(const discovery::Workload& self,
                                                          std::string_view name) const {
  if (name == kOutboundHttp) {
    if (self.outbound.http_port == 0) return nullptr;
    return shared_.OutboundRoutes(self.ns);
  }
  if (!self.interception && !RoutesOfListeners(self).contains(std::string(name))) return nullptr;
  return shared_.VipRoutesFrom(self.ns, name);
}

xds::View::Found NodeResources::FindCommon(std::string_view type_url, std::string_view name) const {
  if (type_url == kSecretType) return {FindIn(shared_.secrets(), name)};
  const discovery::Workload* self = Self();
  if (self == nullptr) return {};
  if (type_url == kEndpointType) return {shared_.EndpointsFrom(LocalityOf(*self), name)};
  if (type_url == kRouteType) return {FindRoutes(*self, name)};
  if (type_url == kClusterType) {
    if (auto cluster = FindIn(shared_.clusters(), name)) return {std::move(cluster)};
    auto cluster = self->interception ? FindIn(shared_.interception_clusters(), name) : nullptr;
    if (cluster == nullptr && self->interception) cluster = shared_.MemberCluster(name);
    return {cluster != nullptr ? std::move(cluster) : FindIn(own_.Of(*self).clusters, name)};
  }
  if (type_url != kListenerType) return {};
  if (self->interception) {
    if (auto listener = FindIn(shared_.vip_listeners(), name))
      return {std::move(listener), node_.is_on_demand};
    if (auto listener = shared_.MemberListener(name)) return {std::move(listener), true};
  }
  return {FindIn(own_.Of(*self).listeners, name)};
}

void NodeResources::ForEachCommon(std::string_view type_url, const Visit& visit) const {
  if (type_url == kSecretType) return VisitAll(shared_.secrets(), visit);
  const discovery::Workload* self = Self();
  if (self == nullptr) return;
  if (type_url == kListenerType) return ForEachListener(*self, visit);
  if (type_url == kClusterType) {
    VisitAll(shared_.clusters(), visit);
    if (self->interception) VisitAll(shared_.interception_clusters(), visit);
    VisitAll(own_.Of(*self).clusters, visit);
  } else if (type_url == kEndpointType) {
    for (const auto& [name, resource] : shared_.endpoints()) {
      visit(name, *shared_.EndpointsFrom(LocalityOf(*self), name));
    }
  } else if (type_url == kRouteType) {
    if (const auto routes = FindRoutes(*self, kOutboundHttp)) visit(kOutboundHttp, *routes);
    if (self->interception) {
      for (const auto& [name, resource] : shared_.vip_routes())
        visit(name, *shared_.VipRoutesFrom(self->ns, name));
      return;
    }
    for (const std::string& name : RoutesOfListeners(*self)) {
      if (const auto routes = FindRoutes(*self, name)) visit(name, *routes);
    }
  }
}

std::shared_ptr<const Resource> NodeResources::Adapted(
    std::string_view type_url, const std::string& name,
    const std::shared_ptr<const Resource>& common) const {
  Adaptation& made = adapted_[{std::string(type_url), name}];
  if (made.version != common->version) {
    made = {common->version, WithCertificateFrom(node_.sds_file, type_url, common)};
  }
  return made.resource;
}

xds::View::Found NodeResources::Find(std::string_view type_url, std::string_view name) const {
  Found found = FindCommon(type_url, name);
  if (!node_.sds_file.empty() && found.resource != nullptr)
    found.resource = Adapted(type_url, std::string(name), found.resource);
  return found;
}

void NodeResources::ForEach(std::string_view type_url, const Visit& visit) const {
  if (node_.sds_file.empty()) return ForEachCommon(type_url, visit);
  ForEachCommon(type_url, [&](const std::string& name, const Resource&) {
    visit(name, *Find(type_url, name).resource);
  });
}

void NodeResources::ForEachListener(const discovery::Workload& self, const Visit& visit) const {
  VisitAll(own_.Of(self).listeners, visit);
  if (self.interception && !node_.is_on_demand) VisitAll(shared_.vip_listeners(), visit);
}

ResourceTable NodeResources::TableOf(std::string_view type_url) const {
  ResourceTable table;
  ForEach(type_url, [&](const std::string& name, const Resource&) {
    table.emplace(name, Find(type_url, name).resource);
  });
  const discovery::Workload* self = Self();
  if (type_url != kListenerType || self == nullptr || !self->interception || !node_.is_on_demand)
    return table;
  for (const auto& [name, resource] : shared_.vip_listeners()) {
    auto by_name = std::make_shared<Resource>(*resource);
    by_name->by_name_only = true;
    table.emplace(name, std::move(by_name));
  }
  return table;
}

Snapshot NodeResources::ToSnapshot() const {
  Snapshot snapshot;
  snapshot.clusters = TableOf(kClusterType);
  snapshot.endpoints = TableOf(kEndpointType);
  snapshot.listeners = TableOf(kListenerType);
  snapshot.routes = TableOf(kRouteType);
  snapshot.secrets = TableOf(kSecretType);
  return snapshot;
}

}  // namespace tulle::snapshot
