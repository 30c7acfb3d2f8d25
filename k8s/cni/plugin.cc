#include "k8s/cni/plugin.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "k8s/cni/annotations.h"
#include "k8s/cni/versions.h"
#include "k8s/inject/json.h"

namespace tulle::cni {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kAnnotations = "io.kubernetes.cri.pod-annotations";

// Section 5, "Error"; those from 100 on are the plugin's own.
enum Code {
  kIncompatibleVersion = 1,
  kInvalidEnvironment = 4,
  kDecodingFailed = 6,
  kInvalidConfiguration = 7,
  kNotRedirected = 100,
};

Answer Failed(const std::string& version, Code code, const std::string& message) {
  const Json error = {{"cniVersion", version},
                      {"code", static_cast<int>(code)},
                      {"msg", absl::StrCat("tulle-cni: ", message)}};
  return {1, error.dump(2) + "\n"};
}

// Null: it does not have it.
const Json* Member(const Json* json, std::string_view name) {
  if (json == nullptr || !json->is_object()) return nullptr;
  const auto found = json->find(std::string(name));
  return found == json->end() || found->is_null() ? nullptr : &*found;
}

std::string VersionOf(const Json& configuration) {
  const Json* version = Member(&configuration, "cniVersion");
  return version != nullptr && version->is_string() ? version->get<std::string>() : "";
}

Answer Versions(const std::string& asked) {
  Json supported = Json::array();
  for (const std::string_view version : kVersions) supported.push_back(version);
  return {0, Json{{"cniVersion", asked}, {"supportedVersions", supported}}.dump(2) + "\n"};
}

// ADD and CHECK: both need the pod's network namespace and what it is to be.
Answer Apply(const Call& call, const Json& configuration, const std::string& version,
             const PodNetwork::Step& step, const std::string& output) {
  const Json* annotations = Member(Member(&configuration, "runtimeConfig"), kAnnotations);
  if (annotations == nullptr) return {0, output};
  const auto wanted = WantedOf(*annotations);
  if (!wanted.ok())
    return Failed(version, kInvalidConfiguration, std::string(wanted.status().message()));
  if (!wanted->has_value()) return {0, output};
  // Pods that are left alone start whatever version the node's other plugins have.
  if (!IsKnownVersion(version))
    return Failed("1.0.0", kIncompatibleVersion,
                  absl::StrCat("unsupported cniVersion ", inject::Quoted(version)));
  if (call.network_namespace.empty())
    return Failed(version, kInvalidEnvironment, "CNI_NETNS is required");
  const absl::Status done = step(call.network_namespace, **wanted);
  if (done.ok()) return {0, output};
  return Failed(version, kNotRedirected,
                absl::StrCat("the connections of this pod cannot be redirected to its sidecar: ",
                             done.message()));
}

}  // namespace

Answer Respond(const Call& call, std::string_view input, const PodNetwork& network) {
  // The rules end with the network namespace.
  if (call.command == "DEL" || call.command == "GC" || call.command == "STATUS") return {};
  const Json configuration = Json::parse(input, nullptr, false);
  const std::string version = VersionOf(configuration);
  if (call.command == "VERSION") return Versions(version.empty() ? "1.0.0" : version);
  if (!configuration.is_object())
    return Failed("1.0.0", kDecodingFailed, "standard input is not a JSON object");
  const Json* previous = Member(&configuration, "prevResult");
  if (previous == nullptr)
    return Failed(version, kInvalidConfiguration,
                  "prevResult is required: tulle-cni must follow the plugin that creates the pod's "
                  "network");
  if (call.command == "ADD")
    return Apply(call, configuration, version, network.redirect, previous->dump(2) + "\n");
  if (call.command == "CHECK") return Apply(call, configuration, version, network.check, "");
  return Failed(version, kInvalidEnvironment,
                absl::StrCat("unknown CNI_COMMAND ", inject::Quoted(call.command)));
}

}  // namespace tulle::cni
