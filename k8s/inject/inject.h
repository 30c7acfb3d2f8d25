// The sidecar's injection into a pod: from the pod to the JSONPatch that meshes it. Pure: no I/O,
// no clock. What comes in may be hostile, so every member is checked before it is used; errors name
// the member and what it must be. Used by the webhook (review.h) and by `tullectl inject`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/inject/json.h"
#include "k8s/inject/settings.h"

namespace tulle::inject {

// Where the pod is, or will be.
struct Namespace {
  std::string name;              // empty: not known yet
  Json labels = Json::object();  // metadata.labels
};

// Why a pod stays as it is.
struct Skip {
  std::string_view label;  // for metrics, such as "host_network"; empty: it is injected
  std::string text;        // for people
};

struct Injection {
  Json patch = Json::array();  // empty: the pod stays as it is, because of `skipped`
  Skip skipped;
  std::vector<std::string> warnings;
};

// `pod`: a Pod, or the template of one: {metadata, spec}. Injecting a pod again changes nothing.
absl::StatusOr<Injection> Inject(const Json& pod, const Namespace& ns, const Settings& settings);

}  // namespace tulle::inject
