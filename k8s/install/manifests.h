// The objects of an installation, in the order in which they are applied: `tullectl install` prints
// them, the Helm chart is made of them (chart.h). Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "k8s/install/settings.h"

namespace tulle::install {

using Json = nlohmann::json;

// CustomResourceDefinitions. To delete them deletes all policies.
std::vector<Json> Definitions();
// Namespace, access, Deployment, Service, webhook.
std::vector<Json> Manifests(const Settings& settings);

}  // namespace tulle::install
