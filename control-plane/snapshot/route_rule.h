// One match of a route's rule as one route of Envoy. Pure; any thread.
#pragma once

#include "control-plane/policy/route_order.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

// `policy` is that of the route's parent.
void AddRule(const policy::RankedMatch& each, const policy::ResiliencePolicy& policy,
             policy::Protocol protocol, envoy::config::route::v3::VirtualHost* host);

}  // namespace tulle::snapshot
