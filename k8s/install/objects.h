// The parts of manifests.h. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "k8s/install/settings.h"

namespace tulle::install {

using Json = nlohmann::json;

// An object in the control plane's namespace; `version` like "apps/v1".
Json Object(const char* version, const char* kind, const char* name, Json more);
// An object in no namespace.
Json ClusterObject(const char* version, const char* kind, const char* name, Json more);

// access.cc: the account, and everything that it may do.
std::vector<Json> Access();
// control.cc
Json ControlDeployment(const Settings& settings);
Json ControlDisruptions();
Json ControlNetworkPolicy(const Settings& settings);
Json ControlService();
// webhook.cc
Json InjectionWebhook();
Json PolicyWebhook();

// The resources of tulle.dev, each followed by `part`, such as "/status".
std::vector<std::string> PolicyResources(const std::string& part);

}  // namespace tulle::install
