// The control plane's metrics, as Prometheus reads them: all of them, and nothing else, are named
// here. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control-plane/server/control_plane.h"
#include "control-plane/server/door.h"
#include "control-plane/server/reviewed_tokens.h"
#include "control-plane/server/webhook_port.h"

namespace tulle::server {

struct SidecarCalls {
  size_t connections = 0;
  uint64_t message_timeouts = 0;  // since the start
};

// Of a replica in a Kubernetes cluster.
struct Leadership {
  bool is_leader = false;
  uint64_t changes = 0;  // since the start
  bool is_cut_off = false;
  uint64_t times_cut_off = 0;  // since the start
};

// Of the ports, the first one is that of sidecars. Without a Kubernetes cluster there is no
// `webhook` (null), no `leadership` and no `tokens` (null).
std::string ControlMetricsText(const ControlPlane& plane, const SidecarCalls& sidecars,
                               std::vector<const Door*> doors, const WebhookPort* webhook,
                               const std::optional<Leadership>& leadership,
                               const ReviewedTokens::Counts* tokens);

}  // namespace tulle::server
