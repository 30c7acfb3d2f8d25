// A program that gives a person's credentials for a cluster, such as those of cloud providers: what
// a kubeconfig says of it, what it is told and what it answers. To run it is the caller's. Pure;
// any thread. Credentials are never part of an error. Source: client.authentication.k8s.io/v1 and
// v1beta1, ExecCredential.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "k8s/api/cluster.h"

namespace tulle::k8s {

struct ExecPlugin {
  enum class Interactive { kNever, kIfAvailable, kAlways };

  std::string api_version;
  std::string command;  // with a slash: a path; else looked for in PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> variables;
  std::string install_hint;
  Interactive interactive = Interactive::kIfAvailable;
  bool wants_cluster = false;
};

// The value of KUBERNETES_EXEC_INFO.
std::string ExecInfo(const ExecPlugin& plugin, const Cluster& cluster, bool is_interactive);
// Puts the credentials of the plugin's output into `cluster`.
absl::Status TakeCredentials(const ExecPlugin& plugin, const std::string& output, Cluster* cluster);

}  // namespace tulle::k8s
