// The redirection set and checked from outside of a pod, as the node's root. The process enters the
// pod's network namespace and stays there. Blocking.
#pragma once

#include "k8s/cni/plugin.h"

namespace tulle::cni {

PodNetwork RealPodNetwork();

}  // namespace tulle::cni
