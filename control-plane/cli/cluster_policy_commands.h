// apply, get, delete and diff of policies at a cluster's API server, for policy_commands.cc and
// get_command.cc.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/kubernetes_api.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/session.h"

namespace tulle::cli {

absl::StatusOr<int> ApplyToCluster(Session& session, KubernetesApi& api, const FileSet& files);
absl::StatusOr<int> DiffWithCluster(Session& session, KubernetesApi& api, const FileSet& files);
// Both as the REST API answers: {changes, missing}; the list of policies. `policies`: {kind,
// namespace, name} of each.
absl::StatusOr<Json> DeleteInCluster(Session& session, KubernetesApi& api, const Json& policies);
// Empty `ns`: of all namespaces.
absl::StatusOr<Json> ListInCluster(Session& session, KubernetesApi& api, const Selected& selected,
                                   const std::string& ns);

}  // namespace tulle::cli
