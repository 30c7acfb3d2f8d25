// The status of a route as it should be. Entries of other controllers stay as they are, and a
// condition keeps its lastTransitionTime while its status is the same. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-plane/kubernetes/route_resolution.h"

namespace tulle::kubernetes {

// status.parents, to take the place of `route.statuses`. Nullopt: nothing differs. `now`: RFC 3339.
std::optional<Json> StatusFor(const RouteObject& route,
                              const std::vector<ParentConditions>& parents, const std::string& now);

}  // namespace tulle::kubernetes
