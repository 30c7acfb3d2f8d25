// A snapshot: how the mesh is described to one node in xDS, as tables. Names: clusters
// `outbound|PORT||HOST` and `inbound|PORT||`, listeners `inbound|PORT`, `outbound|http`,
// `outbound|tcp|HOST|PORT`, route configuration `outbound|http`, secret `ROOTCA`. Of transparent
// workloads: listeners `virtualOutbound`, `virtualInbound` and `VIP_PORT`, routes `HOST:PORT`; of a
// member's own address, by name only, listener `ADDRESS_PORT` and cluster
// `outbound|PORT|ADDRESS_PORT|HOST`.
// What the xDS server serves is not snapshots but NodeResources (node_resources.h), which are equal
// to them. Thread: any. Errors: none, a Mesh holds validated policies only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "xds/proto/type_urls.h"
#include "xds/server/view.h"

namespace tulle::snapshot {

using xds::kClusterType;
using xds::kEndpointType;
using xds::kListenerType;
using xds::kRouteType;
using xds::kSecretType;
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

// The node that a view is for.
struct NodeView {
  // Id of an instance in the mesh; one that is unknown gets the trust bundle alone.
  std::string workload;
  // It subscribes by name to the listeners of virtual addresses, when they are used; else they are
  // part of the wildcard.
  bool is_on_demand = false;
  // On its machine: its own certificate, in SDS form (own_certificate.h). Empty: it has one without
  // that, as Tulle's sidecars do.
  std::string sds_file = {};
  // Of its machine, where the mesh does not know that of the workload. Empty: not known either.
  std::string locality = {};
};

}  // namespace tulle::snapshot
