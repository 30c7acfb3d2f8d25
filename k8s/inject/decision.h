// Whether a pod gets a sidecar, and why not.
#pragma once

#include "absl/status/statusor.h"
#include "k8s/inject/inject.h"

namespace tulle::inject {

// Without a label: it gets one. The pod's label wins over that of the namespace; what cannot work
// (hostNetwork), and what is injected already, is left alone in any case. An error: a label has
// another value than "enabled" and "disabled". `pod` has an object `spec`.
absl::StatusOr<Skip> WhySkipped(const Json& pod, const Namespace& ns, const Settings& settings);

}  // namespace tulle::inject
