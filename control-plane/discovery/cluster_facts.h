// What a Kubernetes cluster tells beside the mesh that it is a source of. Implemented by
// kubernetes::KubernetesLink. Thread: the loop's.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "control-plane/policy/model.h"

namespace tulle::discovery {

class ClusterFacts {
 public:
  virtual ~ClusterFacts() = default;
  // Whether users write policies of this kind to the cluster's API server.
  virtual bool Serves(policy::Kind kind) const = 0;
  // Policies and routes that are not in force, as KIND NAMESPACE/NAME, and why.
  virtual std::map<std::string, std::string> RefusedPolicies() const = 0;
  // Routes with a backend that cannot be used, and why. They may be in force.
  virtual std::map<std::string, std::string> UnresolvedRoutes() const = 0;
  // Pods that should have a sidecar and have none: how many, by namespace.
  virtual std::map<std::string, size_t> PodsWithoutSidecar() const = 0;
  // How many replicas of the control plane there are.
  virtual size_t replicas() const = 0;
};

}  // namespace tulle::discovery
