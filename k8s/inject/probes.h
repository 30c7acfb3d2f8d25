// The application's probes. Kubelet sends them in plaintext and without an identity, so that STRICT
// refuses them, and a TCP probe of a redirected port succeeds whatever the application does: they
// are asked of the sidecar instead, which carries out the original ones.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "k8s/inject/json.h"
#include "k8s/inject/patch.h"

namespace tulle::inject {

// The originals, for the sidecar:
//
//   {"/app-health/web/livez": {"httpGet": {"path": "/", "port": 8080}, "timeoutSeconds": 1}, ...}
//
// Ports are numbers. Grammar of the paths: /app-health/CONTAINER/livez|readyz|startupz. Lifecycle
// hooks by httpGet are only warned of: through the sidecar's health port anyone could trigger them.
struct AppProbes {
  Json probes = Json::object();
  std::vector<std::string> warnings;
};

// Adds what one container's probes become. `path` of the container. Probes by exec, and those of
// another host, stay as they are.
absl::Status RewriteProbes(const Json& container, const std::string& path, Patch& patch,
                           AppProbes& into);

}  // namespace tulle::inject
