// The CNI plugin tulle-cni, the last of a chain: redirects the connections of pods that were
// injected for it to their sidecars. Source: CNI specification 0.3.0 to 1.1.0, sections 2 and 5;
// the pod's annotations are the capability "io.kubernetes.cri.pod-annotations" of containerd and
// CRI-O. Thread: one call per process.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "k8s/init/options.h"

namespace tulle::cni {

// CNI_COMMAND and CNI_NETNS.
struct Call {
  std::string command;
  std::string network_namespace;  // a file
};

// What the plugin does in the network namespace of a pod.
struct PodNetwork {
  using Step = std::function<absl::Status(const std::string& network_namespace,
                                          const init::Options& options)>;
  Step redirect;
  Step check;  // that the rules are set
};

struct Answer {
  int exit_code = 0;
  std::string output;  // to standard output; JSON or empty
};

// `input`: the network configuration on standard input.
Answer Respond(const Call& call, std::string_view input, const PodNetwork& network);

}  // namespace tulle::cni
