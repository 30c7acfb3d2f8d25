// Routes of a service's port, whichever way a request arrives: by an explicit listener or by a
// virtual address. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "control-plane/snapshot/mesh_view.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

// What all route configurations have in common.
void SetOptions(envoy::config::route::v3::RouteConfiguration* configuration);
// The policy, or one that sets nothing.
const policy::ResiliencePolicy& OrNone(const policy::ResiliencePolicy* policy);
// All requests go to the cluster.
void AddDirectRoute(const std::string& cluster, policy::Protocol protocol,
                    const policy::ResiliencePolicy& policy,
                    envoy::config::route::v3::VirtualHost* host);
// Routes of requests from namespace `from` to this port of the service.
void AddRoutesOf(const MeshView& view, const discovery::ServiceName& name,
                 const discovery::Service& service, uint32_t number, const std::string& from,
                 envoy::config::route::v3::VirtualHost* host);

}  // namespace tulle::snapshot
