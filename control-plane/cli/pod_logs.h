// Logs of pods, from a cluster's API server with the user's own rights. Thread: the only one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/kubernetes_api.h"

namespace tulle::cli {

struct LoggingContainer {
  std::string ns = {};
  std::string pod = {};
  std::string name = {};
  bool was_restarted = false;  // it has a log of the run before, too
};

// Those of the control plane, ready or not.
absl::StatusOr<std::vector<LoggingContainer>> ControlContainers(KubernetesApi& api);
// The sidecar of a pod, "NAMESPACE/NAME"; an error: that is no name of a pod.
absl::StatusOr<LoggingContainer> SidecarOf(const std::string& pod);

// The newest lines, at most 10,000 and 5 MiB. `previous`: of the run before.
absl::StatusOr<std::string> ReadLog(KubernetesApi& api, const LoggingContainer& container,
                                    bool previous);

// The whole lines at the end of `text` that have at most `most` bytes together.
std::string_view LastLines(std::string_view text, size_t most);

}  // namespace tulle::cli
