// The API server over HTTPS, one connection per request. A credential plugin runs once, before the
// first one. Thread: the only one.
#pragma once

#include <memory>

#include "control-plane/cli/kubernetes_api.h"
#include "k8s/api/kubeconfig.h"

namespace tulle::cli {

std::unique_ptr<KubernetesApi> NewKubernetesHttps(const k8s::Login& login);

}  // namespace tulle::cli
