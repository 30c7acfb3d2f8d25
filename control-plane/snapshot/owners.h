// Which field of which policy decides about a kind of failure: for explanations, which name it. By
// cause in metadata.filter_metadata.tulle.owners of routes and clusters, as "ResiliencePolicy
// shop/cart spec.timeouts.request"; absent: a default holds. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "control-plane/policy/model.h"
#include "control-plane/policy/route_order.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

// `field` of `document` decides about failures of this cause.
void SetOwner(const std::string& cause, const policy::Document& document, std::string_view field,
              envoy::config::core::v3::Metadata* metadata);

// Timeouts and retries, as SetTimeouts and SetRetries (route_limits.h) take them. `match` may be
// null: without a route of the user. `resilience` may be null: no ResiliencePolicy.
void SetRouteOwners(const policy::RankedMatch* match, const policy::Document* resilience,
                    envoy::config::route::v3::Route* route);
// Limits, breaker, health checks, and the time to connect.
void SetClusterOwners(const policy::Document* resilience,
                      envoy::config::cluster::v3::Cluster* cluster);

}  // namespace tulle::snapshot
