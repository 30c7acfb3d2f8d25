// What a ResiliencePolicy does at its target: rate limit and faults, as filters of the inbound
// side. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "control-plane/policy/model.h"
#include "control-plane/snapshot/http_manager.h"
#include "control-plane/snapshot/mesh_view.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

void AddRateLimit(const policy::RateLimitPolicy& limit, HttpConnectionManager* manager);
void AddFault(const policy::FaultPolicy& fault, HttpConnectionManager* manager);
// The descriptor by which requests of one route are counted apart.
void SetLimitedRoute(const std::string& name, envoy::config::route::v3::RouteAction* action);

// The matches of all routes of a service's port, in the order in which they are tried.
struct NamedMatch {
  std::string name;
  envoy::config::route::v3::RouteMatch match;
};
std::vector<NamedMatch> MatchesOf(const MeshView& view, const discovery::ServiceName& service,
                                  uint32_t port);

}  // namespace tulle::snapshot
