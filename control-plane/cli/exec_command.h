// Runs the credential plugin of a kubeconfig, blocking. Its errors and questions go to the terminal
// themselves; what it prints is a secret and goes nowhere else. Thread: the only one.
#pragma once

#include "absl/status/status.h"
#include "k8s/api/cluster.h"
#include "k8s/api/exec_plugin.h"

namespace tulle::cli {

// Puts the credentials into `cluster`. `has_terminal`: standard input is one.
absl::Status RunExecPlugin(const k8s::ExecPlugin& plugin, bool has_terminal, k8s::Cluster* cluster);

}  // namespace tulle::cli
