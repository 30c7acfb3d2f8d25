// The dashboard for a browser on this host: the page and the API of a control plane, forwarded by
// the connection and the credential of tullectl. A browser knows neither the CA of the mesh nor the
// way through a cluster's API server. Thread: the only one.
#pragma once

#include "absl/status/statusor.h"
#include "control-plane/cli/environment.h"

namespace tulle::cli {

// Until SIGINT or SIGTERM; returns 0.
absl::StatusOr<int> ServePage(const PageServing& serving);

}  // namespace tulle::cli
