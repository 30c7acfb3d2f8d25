// The control plane's metrics, as Prometheus reads them: all of them, and nothing else, are named
// here. Thread: the loop's.
#pragma once

#include <string>
#include <vector>

#include "control-plane/server/control_plane.h"
#include "control-plane/server/door.h"

namespace tulle::server {

// Of the ports, the first one is that of sidecars.
std::string ControlMetricsText(const ControlPlane& plane, size_t sidecar_connections,
                               const std::vector<const Door*>& doors);

}  // namespace tulle::server
