// The resources of a mesh in parts: of one service, of those outside the mesh, of one node. Each
// function appends what it makes to a table; LiveResources and NodeResources decide what is made
// when. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/policy/policy_index.h"
#include "control-plane/snapshot/snapshot.h"
#include "control-plane/snapshot/telemetry.h"

namespace tulle::snapshot {

struct MeshView {
  const discovery::Mesh& mesh;
  const discovery::ServiceTable& services;
  const policy::PolicyIndex& policies;

  // Those with names outside the mesh: what is sent to them is not mTLS.
  std::vector<const policy::ExternalService*> ExternalServices() const;
  // How the workload's sidecar logs and traces.
  Telemetry TelemetryOf(const discovery::Workload& workload) const;
  // The same for listeners that all workloads share.
  Telemetry MeshTelemetry() const;
};

// One service, as every node sees it.
void AddClustersOf(const MeshView& view, const discovery::ServiceName& name,
                   const discovery::Service& service, ResourceTable* clusters);
// `own` is the locality of the caller, empty: any. It matters only where PrefersOwnLocality().
void AddEndpointsOf(const MeshView& view, const discovery::ServiceName& name,
                    const discovery::Service& service, const std::string& own,
                    ResourceTable* endpoints);
bool PrefersOwnLocality(const MeshView& view, const discovery::ServiceName& name);
// For transparent nodes in namespace `from`: of the service's virtual address.
void AddVipRoutesOf(const MeshView& view, const discovery::ServiceName& name,
                    const discovery::Service& service, const std::string& from,
                    ResourceTable* routes);
void AddVipListenersOf(const MeshView& view, const discovery::ServiceName& name,
                       const discovery::Service& service, ResourceTable* listeners);

// All ExternalServices.
void AddExternalClusters(const MeshView& view, ResourceTable* clusters);
void AddExternalEndpoints(const MeshView& view, ResourceTable* endpoints);
void AddExternalVipRoutes(const MeshView& view, ResourceTable* routes);
void AddExternalVipListeners(const MeshView& view, ResourceTable* listeners);

// Those that TelemetryPolicies name; the control plane is not one of them.
void AddCollectors(const MeshView& view, ResourceTable* clusters);
void AddSecrets(const MeshView& view, ResourceTable* secrets);
// For transparent nodes: connections to their original destination, and to none.
void AddInterceptionClusters(ResourceTable* clusters);

// For the nodes of a namespace: short names differ.
void AddOutboundRoutes(const MeshView& view, const std::string& ns, ResourceTable* routes);

// One node's own.
void AddInbound(const MeshView& view, const discovery::Workload& workload, Snapshot* snapshot);
void AddInterceptionListeners(const MeshView& view, const discovery::Workload& workload,
                              ResourceTable* listeners);
void AddOutboundListeners(const MeshView& view, const discovery::Workload& workload,
                          ResourceTable* listeners);

}  // namespace tulle::snapshot
