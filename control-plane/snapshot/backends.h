// Where the requests of a rule go: to its backends by weight, and for the share of an invalid
// backend to an error that says why. Pure; any thread.
// Source: Gateway API v1, HTTPRouteRule.backendRefs and GRPCRouteRule.backendRefs.
#pragma once

#include "control-plane/policy/route_order.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

// Of a rule some of whose backends are invalid: a route before the rule's own, for their share of
// the requests. Nothing, if all are valid or all are invalid.
void AddInvalidShare(const policy::RankedMatch& each, envoy::config::route::v3::VirtualHost* host);
// The valid backends; if there is none, an error.
void SetBackends(const policy::RankedMatch& each, envoy::config::route::v3::Route* route);

}  // namespace tulle::snapshot
