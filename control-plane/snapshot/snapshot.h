// A snapshot: how the mesh is described to one node in xDS, as tables. Names: clusters
// `outbound|PORT||HOST` and `inbound|PORT||`, listeners `inbound|PORT`, `outbound|http`,
// `outbound|tcp|HOST|PORT`, route configuration `outbound|http`, secret `ROOTCA`. Of transparent
// workloads: listeners `virtualOutbound`, `virtualInbound` and `VIP_PORT`, routes `HOST:PORT`.
// What the xDS server serves is not snapshots but NodeResources (node_resources.h), which are equal
// to them. Thread: any. Errors: none, a Mesh holds validated policies only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "control-plane/discovery/mesh.h"
#include "xds/server/view.h"

namespace tulle::snapshot {

using xds::Resource;
using xds::ResourceTable;  // by name

struct Snapshot : public xds::TableView {
  ResourceTable clusters;
  ResourceTable endpoints;
  ResourceTable listeners;
  ResourceTable routes;
  ResourceTable secrets;

  bool IsEmpty() const;
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

// The node that a view is for.
struct NodeView {
  // Id of an instance in the mesh; one that is unknown gets the trust bundle alone.
  std::string workload;
  // It subscribes by name to the listeners of virtual addresses, when they are used; else they are
  // part of the wildcard.
  bool is_on_demand = false;
};

Snapshot BuildSnapshot(const discovery::Mesh& mesh, const NodeView& node);

// Snapshots of one mesh that does not change, with the resources that nodes have in common made
// once. Same results as BuildSnapshot.
class SnapshotFactory {
 public:
  explicit SnapshotFactory(std::shared_ptr<const discovery::Mesh> mesh);
  ~SnapshotFactory();

  Snapshot Build(const NodeView& node);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tulle::snapshot
