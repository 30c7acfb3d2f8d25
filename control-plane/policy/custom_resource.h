// Our own kinds as custom resources of Kubernetes, made from the tables of fields: the API server
// checks types, bounds and the rules between fields (CEL). What neither can express is left to the
// parser, which the control plane applies to every object. Pure; any thread.
// Source: apiextensions.k8s.io/v1 CustomResourceDefinition.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "control-plane/policy/model.h"

namespace tulle::policy {

inline constexpr std::string_view kTulleGroup =
    kTulleApiVersion.substr(0, kTulleApiVersion.find('/'));
inline constexpr std::string_view kTulleVersion = kTulleApiVersion.substr(kTulleGroup.size() + 1);

// One CustomResourceDefinition for each kind of tulle.dev, in the order of AllKinds(). Those of the
// Gateway API belong to its own installation.
std::vector<nlohmann::json> CustomResourceDefinitions();

}  // namespace tulle::policy
