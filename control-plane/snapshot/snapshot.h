// BuildSnapshot: how the mesh is said to one node in xDS. Pure: equal meshes and nodes give equal
// bytes in every process, so that a version (hash of the content) survives a restart of the control
// plane. Owner: the xDS server keeps one Snapshot for each distinct view; resources are shared
// between them. Thread: any. Errors: none, a Mesh holds validated policies only. Names: clusters
// `outbound|PORT||HOST` and `inbound|PORT||`, listeners `inbound|PORT`, `outbound|http`,
// `outbound|tcp|HOST|PORT`, route configuration `outbound|http`, secret `ROOTCA`. Of transparent
// workloads: listeners `virtualOutbound`, `virtualInbound` and `VIP_PORT`, routes `HOST:PORT`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/service_table.h"
#include "xds/server/view.h"

namespace tulle::snapshot {

using xds::Resource;
using xds::ResourceTable;  // by name

struct Snapshot : public xds::View {
  ResourceTable clusters;
  ResourceTable endpoints;
  ResourceTable listeners;
  ResourceTable routes;
  ResourceTable secrets;

  // nullptr for a type that is not served.
  const ResourceTable* TableOf(std::string_view type_url) const override;
};

inline constexpr std::string_view kClusterType =
    "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kEndpointType =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr std::string_view kListenerType =
    "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr std::string_view kRouteType =
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr std::string_view kSecretType =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

// Whom a view is for.
struct NodeView {
  // Id of an instance in the mesh; one that is unknown gets the trust bundle alone.
  std::string workload;
  // It asks for the listeners of virtual addresses by name, when they are used; else they are part
  // of the wildcard.
  bool is_on_demand = false;
};

Snapshot BuildSnapshot(const discovery::Mesh& mesh, const NodeView& node);

// The views of one mesh version: what nodes have in common is built once. Same results as
// BuildSnapshot.
class SnapshotFactory {
 public:
  explicit SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh);
  // `services` of that mesh.
  SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh, discovery::ServiceTable services);

  Snapshot Build(const NodeView& node);
  const discovery::Mesh& mesh() const { return *mesh_; }
  const discovery::ServiceTable& services() const { return services_; }

 private:
  std::shared_ptr<const discovery::Mesh> mesh_;
  discovery::ServiceTable services_;
  Snapshot shared_;                              // clusters, endpoints, secrets of every node
  std::map<std::string, ResourceTable> routes_;  // by namespace
  // What nodes of a locality get instead of the shared ones.
  std::map<std::string, ResourceTable> endpoints_;
  // What every transparent node gets; made when the first such node asks.
  struct Interception {
    ResourceTable clusters;
    ResourceTable routes;
    std::map<bool, ResourceTable> listeners;  // by is_on_demand
  };
  std::unique_ptr<Interception> interception_;

  void AddOwnEndpoints(const std::string& locality, Snapshot* snapshot);
  void AddInterception(const discovery::Workload& workload, bool is_on_demand, Snapshot* snapshot);
};

}  // namespace tulle::snapshot
