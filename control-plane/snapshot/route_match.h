// What an HTTPRoute or a GRPCRoute matches, as Envoy's RouteMatch. Pure; any thread.
#pragma once

#include "control-plane/policy/model.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

void SetMatch(const policy::RouteMatch& match, envoy::config::route::v3::RouteMatch* message);

}  // namespace tulle::snapshot
