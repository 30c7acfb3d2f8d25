#include "control-plane/snapshot/snapshot.h"

#include <algorithm>

#include "control-plane/policy/names.h"
#include "control-plane/snapshot/mesh_view.h"

namespace tulle::snapshot {

const policy::ResiliencePolicy* MeshView::ResilienceOf(
    const discovery::ServiceName& service) const {
  if (const auto* own = mesh.policies.ResilienceOf(service)) return own;
  for (const auto& [key, document] : mesh.policies.documents()) {
    const auto* route = std::get_if<policy::HttpRoute>(&document->spec);
    if (route == nullptr) continue;
    for (const policy::HttpRouteRule& rule : route->rules) {
      const bool leads_here = std::any_of(
          rule.backends.begin(), rule.backends.end(),
          [&](const policy::BackendRef& backend) { return backend.service == service; });
      if (!leads_here || route->parents.empty()) continue;
      if (const auto* above = mesh.policies.ResilienceOf(route->parents[0].service)) return above;
    }
  }
  return nullptr;
}

// The parser refuses the others; a mesh service wins whatever else comes in.
std::vector<const policy::ExternalService*> MeshView::ExternalServices() const {
  std::vector<const policy::ExternalService*> found;
  for (const policy::Document* document : mesh.policies.ExternalServices()) {
    const auto& external = std::get<policy::ExternalService>(document->spec);
    const bool is_of_mesh =
        std::any_of(external.hosts.begin(), external.hosts.end(), policy::IsMeshName);
    if (!is_of_mesh) found.push_back(&external);
  }
  return found;
}

const ResourceTable* Snapshot::TableOf(std::string_view type_url) const {
  if (type_url == kClusterType) return &clusters;
  if (type_url == kEndpointType) return &endpoints;
  if (type_url == kListenerType) return &listeners;
  if (type_url == kRouteType) return &routes;
  if (type_url == kSecretType) return &secrets;
  return nullptr;
}

SnapshotFactory::SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh)
    : SnapshotFactory(mesh, discovery::BuildServiceTable(*mesh)) {}

SnapshotFactory::SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh,
                                 discovery::ServiceTable services)
    : mesh_(std::move(mesh)), services_(std::move(services)) {
  const MeshView view{*mesh_, services_};
  AddOutboundClusters(view, &shared_.clusters);
  AddCollectors(view, &shared_.clusters);
  AddEndpoints(view, &shared_.endpoints);
  AddSecrets(view, &shared_.secrets);
}

Snapshot SnapshotFactory::Build(const NodeView& node) {
  const MeshView view{*mesh_, services_};
  const auto workload = mesh_->workloads.find(node.workload);
  if (workload == mesh_->workloads.end()) {
    Snapshot stranger;
    stranger.secrets = shared_.secrets;
    return stranger;
  }
  Snapshot snapshot = shared_;
  const auto [routes, is_new] = routes_.try_emplace(workload->second.ns);
  if (is_new) AddOutboundRoutes(view, workload->second.ns, &routes->second);
  if (workload->second.outbound.http_port != 0) snapshot.routes = routes->second;
  AddOwnEndpoints(workload->second.locality, &snapshot);
  AddInbound(view, workload->second, &snapshot);
  AddOutboundListeners(view, workload->second, &snapshot.listeners);
  if (workload->second.interception) {
    AddInterception(workload->second, node.is_on_demand, &snapshot);
  }
  return snapshot;
}

void SnapshotFactory::AddOwnEndpoints(const std::string& locality, Snapshot* snapshot) {
  if (locality.empty()) return;
  const auto [endpoints, is_new] = endpoints_.try_emplace(locality);
  if (is_new) AddEndpointsFrom({*mesh_, services_}, locality, &endpoints->second);
  for (const auto& [name, resource] : endpoints->second) snapshot->endpoints[name] = resource;
}

void SnapshotFactory::AddInterception(const discovery::Workload& workload, bool is_on_demand,
                                      Snapshot* snapshot) {
  const MeshView view{*mesh_, services_};
  if (interception_ == nullptr) {
    interception_ = std::make_unique<Interception>();
    AddInterceptionClusters(&interception_->clusters);
    AddVipRoutes(view, &interception_->routes);
  }
  const auto [listeners, is_new] = interception_->listeners.try_emplace(is_on_demand);
  if (is_new) AddVipListeners(view, is_on_demand, &listeners->second);
  snapshot->clusters.insert(interception_->clusters.begin(), interception_->clusters.end());
  snapshot->routes.insert(interception_->routes.begin(), interception_->routes.end());
  snapshot->listeners.insert(listeners->second.begin(), listeners->second.end());
  AddInterceptionListeners(view, workload, &snapshot->listeners);
}

Snapshot BuildSnapshot(const discovery::Mesh& mesh, const NodeView& node) {
  // Not owned: the factory lives no longer than this call.
  SnapshotFactory factory(std::shared_ptr<const discovery::Mesh>(&mesh, [](const auto*) {}));
  return factory.Build(node);
}

}  // namespace tulle::snapshot
