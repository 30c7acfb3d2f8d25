// YAML as a tree that is changed in a few places and written again. Scalars that are not touched
// keep their text and their quotes, so that every reader takes them for the same type as before.
// Comments and the order of anchors are lost. Pure; any thread.
#pragma once

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace tulle::cli {

using YamlJson = nlohmann::ordered_json;

// The document as kubectl reads it (YAML 1.1: `yes` and `on` are true). Nothing: it is larger than
// any object of Kubernetes, since aliases may expand without limit, or too deep.
std::optional<YamlJson> JsonOf(const YAML::Node& node);

// Applies a JSONPatch of "add" and "replace" operations whose paths exist.
void ApplyPatch(const YamlJson& patch, YAML::Node root);

// In block style, with a line feed at the end. Nothing: as JsonOf.
std::optional<std::string> YamlOf(const YAML::Node& node);

}  // namespace tulle::cli
