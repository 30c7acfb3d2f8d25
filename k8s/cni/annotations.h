// What a pod's annotations tell the plugin. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "absl/status/statusor.h"
#include "k8s/init/options.h"

namespace tulle::cni {

// How the pod is redirected, from the same annotations as its init container's arguments. Empty: it
// was not injected for the plugin, so it is left alone. An error names the annotation.
absl::StatusOr<std::optional<init::Options>> WantedOf(const nlohmann::json& annotations);

}  // namespace tulle::cni
