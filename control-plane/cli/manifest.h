// The injection of manifests, as `tullectl inject` does it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/inject/settings.h"

namespace tulle::cli {

struct InjectedManifest {
  std::string text;
  std::vector<std::string> notes;  // "deployment/web injected", "pod/x skipped: why", warnings
};

// `text`: documents of YAML or JSON. Pods, and what has a template of pods (Deployment,
// StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob, and a List of these),
// are injected; everything else is passed through byte by byte. `ns`: of objects that do not name
// one. An error names the file, the object and the field.
absl::StatusOr<InjectedManifest> InjectManifest(std::string_view file, std::string_view text,
                                                const std::string& ns,
                                                const inject::Settings& settings);

}  // namespace tulle::cli
