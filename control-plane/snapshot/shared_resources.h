// The resources that nodes have in common, each made once and shared by all who see it, kept up to
// date change by change. Pure: equal meshes give equal bytes in every process and by whatever
// sequence of changes, so that a version (hash of the content) survives a restart of the control
// plane.
//
// Owner: the control plane. Thread: one. Order: Update() with each TakeChanges() of the mesh.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "control-plane/discovery/live_mesh.h"
#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/policy/policy_index.h"
#include "control-plane/snapshot/consumer_routes.h"
#include "control-plane/snapshot/local_endpoints.h"
#include "control-plane/snapshot/members.h"
#include "control-plane/snapshot/mesh_view.h"
#include "control-plane/snapshot/snapshot.h"
#include "xds/server/view.h"

namespace tulle::snapshot {

class SharedResources {
 public:
  // Of the mesh as it is. Both outlive this.
  SharedResources(const discovery::Mesh& mesh, const discovery::ServiceTable& services);

  // Makes anew what the changes concern. What has come out different, by name.
  xds::ChangedNames Update(const discovery::MeshChanges& changes);

  // Clusters, endpoints and secrets of every node.
  const ResourceTable& clusters() const { return all_.clusters; }
  const ResourceTable& endpoints() const { return all_.endpoints; }
  const ResourceTable& secrets() const { return all_.secrets; }
  // While it returns false, nodes are told nothing about secrets. Null: they always are.
  void SetServesSecrets(std::function<bool()> serves) { serves_secrets_ = std::move(serves); }
  bool serves_secrets() const { return !serves_secrets_ || serves_secrets_(); }
  // Of transparent nodes: listeners of virtual addresses, and the routes of a service's port, which
  // explicit nodes have too where they listen for one (VipRoutesFrom() has what a namespace gets);
  // clusters that lead to where a connection was meant for.
  const ResourceTable& vip_listeners() const { return all_.listeners; }
  const ResourceTable& vip_routes() const { return all_.routes; }
  const ResourceTable& interception_clusters() const { return interception_clusters_; }

  // Made when they are first asked for: the routes of explicit listeners in a namespace, and what
  // nodes of a locality get instead of the endpoints above. Null: no such resource; never for one
  // of endpoints().
  std::shared_ptr<const Resource> OutboundRoutes(const std::string& ns);
  std::shared_ptr<const Resource> EndpointsFrom(const std::string& locality,
                                                std::string_view cluster);
  // As callers in this namespace see them. Null: no such resource; never for one of vip_routes().
  std::shared_ptr<const Resource> VipRoutesFrom(const std::string& ns, std::string_view name) const;

  // Of transparent nodes: what a call to a member's own address needs. Null: not a member's.
  std::shared_ptr<const Resource> MemberListener(std::string_view name) {
    return members_.FindListener(view(), name);
  }
  std::shared_ptr<const Resource> MemberCluster(std::string_view name) {
    return members_.FindCluster(view(), name);
  }

  // Something was made of the service.
  bool Has(const discovery::ServiceName& service) const;
  MeshView view() const { return {mesh_, services_, *policies_}; }
  // Resources that were made, since the start: what changes cost.
  uint64_t made() const { return made_; }

 private:
  void UpdateService(const discovery::ServiceName& name, discovery::MeshChanges::Scope scope,
                     xds::ChangedNames* changed);
  void UpdateLocal(const discovery::ServiceName& name, xds::ChangedNames* changed);
  void UpdateExternalServices(xds::ChangedNames* changed);
  // Puts the resources of one group in the place of its former ones.
  void Replace(const std::string& group, Snapshot resources, xds::ChangedNames* changed);
  void ReplaceTable(std::string_view type, const ResourceTable& former, ResourceTable* latter,
                    ResourceTable* all, xds::ChangedNames* changed);

  const discovery::Mesh& mesh_;
  const discovery::ServiceTable& services_;
  std::unique_ptr<policy::PolicyIndex> policies_;
  Snapshot all_;
  ResourceTable interception_clusters_;
  std::map<std::string, Snapshot> groups_;  // what each service and each other group has in all_
  std::map<std::string, std::shared_ptr<const Resource>> routes_;  // of explicit listeners
  LocalEndpoints local_endpoints_;
  ConsumerRoutes consumer_routes_;
  Members members_;
  std::function<bool()> serves_secrets_;
  uint64_t made_ = 0;
};

}  // namespace tulle::snapshot
