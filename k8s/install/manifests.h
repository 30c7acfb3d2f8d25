// The objects of an installation, in the order in which they are applied: `tullectl install` prints
// them, the Helm chart is made of them (chart.h). Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "k8s/install/settings.h"

namespace tulle::install {

using Json = nlohmann::json;

// CustomResourceDefinitions: policies are removed with them, so `uninstall` asks for that.
std::vector<Json> Definitions();
// Namespace, access, Deployment, Service, webhook.
std::vector<Json> Manifests(const Settings& settings);

}  // namespace tulle::install
