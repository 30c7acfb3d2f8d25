// What `tullectl check` finds at a cluster's API server, before Tulle is installed and after, with
// the user's own rights. What the user may not read is left out.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/injection_checks.h"
#include "control-plane/cli/installed_objects.h"
#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// Whether `objects` can be installed: version of Kubernetes, rights, Pod Security levels.
// `with_cni`: they include the CNI plugin.
absl::StatusOr<std::vector<ClusterCheck>> ChecksBefore(InstalledObjects& cluster,
                                                       const std::vector<Json>& objects,
                                                       bool with_cni);
// Whether what is installed works: control plane, webhooks, labels of namespaces, definitions,
// versions of sidecars.
absl::StatusOr<std::vector<ClusterCheck>> ChecksAfter(InstalledObjects& cluster,
                                                      const std::vector<Json>& definitions);

}  // namespace tulle::cli
