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
// Namespace, access, Deployment, its budget and network policy, Service, webhooks. Without the CNI
// plugin.
std::vector<Json> Manifests(const Settings& settings);
// Namespace and DaemonSet of the CNI plugin. Pods that need it start only after it, so it comes
// first.
std::vector<Json> CniPlugin(const Settings& settings);
// The same objects, whose pods remove the plugin from their nodes. They become ready when they
// have.
std::vector<Json> CniRemoval(const Settings& settings);

}  // namespace tulle::install
