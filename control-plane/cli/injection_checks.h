// What `tullectl check` finds about the injection at a cluster's API server: labels of namespaces
// and pods that have no effect, and pods that the webhook refuses. What the user may not read is
// left out.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/cli/installed_objects.h"
#include "control-plane/cli/json_text.h"

namespace tulle::cli {

struct ClusterCheck {
  std::string id;
  std::string name;
  bool is_good = true;
  std::string message = {};
  std::string hint = {};
};

// "a, b and 3 more".
std::string NamesOf(const std::vector<std::string>& names);

absl::Status AddInjectionChecks(InstalledObjects& cluster, std::vector<ClusterCheck>* checks);

}  // namespace tulle::cli
