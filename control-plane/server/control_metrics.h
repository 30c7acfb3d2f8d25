// The control plane's metrics, as Prometheus reads them: all of them, and nothing else, are named
// here. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/server/control_plane.h"
#include "control-plane/server/door.h"
#include "control-plane/server/webhook_port.h"

namespace tulle::server {

struct SidecarCalls {
  size_t connections = 0;
  uint64_t message_timeouts = 0;  // since the start
};

// Of the ports, the first one is that of sidecars. `webhook`: null, there is none.
std::string ControlMetricsText(const ControlPlane& plane, const SidecarCalls& sidecars,
                               std::vector<const Door*> doors, const WebhookPort* webhook);

}  // namespace tulle::server
