// The parts of a snapshot, one function for each; called by BuildSnapshot and SnapshotFactory only.
#pragma once

#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/snapshot/snapshot.h"
#include "control-plane/snapshot/telemetry.h"

namespace tulle::snapshot {

struct MeshView {
  const discovery::Mesh& mesh;
  const discovery::ServiceTable& services;

  // The service's own policy; a backend without one takes that of the first service whose route
  // leads to it.
  const policy::ResiliencePolicy* ResilienceOf(const discovery::ServiceName& service) const;
  // Those that keep to names from outside the mesh: what is sent to them is no mTLS.
  std::vector<const policy::ExternalService*> ExternalServices() const;
  // How the workload's sidecar logs and traces.
  Telemetry TelemetryOf(const discovery::Workload& workload) const;
  // The same of listeners that all workloads share.
  Telemetry MeshTelemetry() const;
};

// What every node gets.
void AddOutboundClusters(const MeshView& view, ResourceTable* clusters);
void AddEndpoints(const MeshView& view, ResourceTable* endpoints);
// Those of services whose callers prefer their own locality, as seen from `own`.
void AddEndpointsFrom(const MeshView& view, const std::string& own, ResourceTable* endpoints);
// Those of TelemetryPolicies; the control plane is none of them.
void AddCollectors(const MeshView& view, ResourceTable* clusters);
void AddSecrets(const MeshView& view, ResourceTable* secrets);

// What every transparent node gets: by a wildcard, or by name alone.
void AddVipRoutes(const MeshView& view, ResourceTable* routes);
void AddVipListeners(const MeshView& view, bool by_name_only, ResourceTable* listeners);
void AddInterceptionClusters(ResourceTable* clusters);

// What the nodes of a namespace get: short names differ.
void AddOutboundRoutes(const MeshView& view, const std::string& ns, ResourceTable* routes);

// What one node gets.
void AddInbound(const MeshView& view, const discovery::Workload& workload, Snapshot* snapshot);
void AddInterceptionListeners(const MeshView& view, const discovery::Workload& workload,
                              ResourceTable* listeners);
void AddOutboundListeners(const MeshView& view, const discovery::Workload& workload,
                          ResourceTable* listeners);

}  // namespace tulle::snapshot
