// The same objects as a Helm chart. Pure; any thread.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "k8s/install/manifests.h"

namespace tulle::install {

using ToYaml = std::function<std::string(const Json&)>;

// The chart's files by name, such as "templates/tulle.yaml". `version`: of the chart and of Tulle.
// `defaults`: of its values.
std::map<std::string, std::string> Chart(const std::string& version, const Settings& defaults,
                                         const ToYaml& to_yaml);

}  // namespace tulle::install
