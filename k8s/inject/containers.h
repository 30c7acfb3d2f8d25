// The containers and volumes that a pod gets. Pure.
#pragma once

#include <vector>

#include "k8s/inject/json.h"
#include "k8s/inject/settings.h"
#include "k8s/inject/wishes.h"

namespace tulle::inject {

// Before all other containers: redirects the pod's connections, as root with NET_ADMIN alone. With
// the CNI plugin: verifies that they are redirected, as an ordinary user without capabilities.
Json InitContainer(const Settings& settings, const Wishes& wishes);
// The sidecar as a native sidecar: starts before the application and ends after it. `probes` of
// AppProbes.
Json SidecarContainer(const Settings& settings, const Wishes& wishes, const Json& probes);
// Those that it mounts: token, roots, state.
std::vector<Json> Volumes(const Settings& settings);

}  // namespace tulle::inject
