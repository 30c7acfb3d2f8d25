#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::sidecar {

// One declared probe.
struct AppProbeSpec {
  upstream::HealthCheckSpec check;
  uint16_t port = 0;
  bool is_tls = false;  // httpGet with the scheme HTTPS: not verified, as kubelet does it
};

// The declaration of AppProbes, parsed: by path. Pure.
absl::StatusOr<std::map<std::string, AppProbeSpec>> ParseAppProbes(std::string_view json);

}  // namespace tulle::sidecar
