// Whether a command goes to a control plane directly or to the one of a Kubernetes cluster, and how
// to enter that cluster. In this order:
//
//   1. --kubeconfig FILE: the cluster, in its context --context or its current one
//   2. --credential-file, --server or --ca-file: directly
//   3. --context NAME: directly if tullectl's config has it, else the cluster of the kubeconfig
//   4. the current context of tullectl's config, which may name a context of the kubeconfig too
//   5. the current context of $KUBECONFIG (several files are merged) or ~/.kube/config
//   6. in a pod, its cluster, by its service account
//
// Reads files; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "control-plane/cli/config_file.h"
#include "control-plane/cli/destination.h"
#include "k8s/api/kubeconfig.h"

namespace tulle::cli {

using Variables = std::map<std::string, std::string>;

// Absent: the command does not go to a cluster. `config`: tullectl's own.
absl::StatusOr<std::optional<k8s::Login>> FindLogin(const ConnectionFlags& flags,
                                                    const ConfigFile& config,
                                                    const Variables& variables);
// Of --kubeconfig, $KUBECONFIG or ~/.kube/config; empty if the last one does not exist. An error if
// none of the files exists that the user has named.
absl::StatusOr<k8s::Kubeconfig> LoadKubeconfig(const ConnectionFlags& flags,
                                               const Variables& variables);
// The files of the kubeconfig, for errors: "a, b".
std::string KubeconfigPaths(const ConnectionFlags& flags, const Variables& variables);
bool HasContext(const k8s::Kubeconfig& kubeconfig, const std::string& name);
// The name of the context that commands use without --context; empty: there is none.
std::string CurrentContext(const ConnectionFlags& flags, const ConfigFile& config,
                           const k8s::Kubeconfig& kubeconfig);
// For errors: "context NAME of FILE".
std::string Describe(const k8s::Login& login);

}  // namespace tulle::cli
