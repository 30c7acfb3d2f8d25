#include "k8s/cni/plugin.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/strings/str_cat.h"
#include "k8s/cni/annotations.h"
#include "k8s/inject/json.h"

namespace tulle::cni {
namespace {

using inject::Json;
using inject::Member;
using inject::TextOf;

constexpr std::string_view kVersions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
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

bool IsKnown(const std::string& version) {
  return std::find(std::begin(kVersions), std::end(kVersions), version) != std::end(kVersions);
}

Answer Versions(const std::string& asked) {
  Json supported = Json::array();
  for (const std::string_view version : kVersions) supported.push_back(version);
  return {0, Json{{"cniVersion", asked}, {"supportedVersions", supported}}.dump(2) + "\n"};
}

// ADD and CHECK: both need the pod's network namespace and what it is to be.
Answer Apply(const Call& call, const Json& configuration, const std::string& version,
             const PodNetwork::Step& step, const std::string& output) {
  const Json* annotations = Member(configuration, {"runtimeConfig", kAnnotations});
  if (annotations == nullptr) return {0, output};
  const auto wanted = WantedOf(*annotations);
  if (!wanted.ok())
    return Failed(version, kInvalidConfiguration, std::string(wanted.status().message()));
  if (!wanted->has_value()) return {0, output};
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
  const auto parsed = inject::ParseJson(input);
  const std::string version = parsed ? TextOf(*parsed, "cniVersion") : "";
  if (call.command == "VERSION") return Versions(version.empty() ? "1.0.0" : version);
  // The rules end with the network namespace.
  if (call.command == "DEL" || call.command == "GC" || call.command == "STATUS") return {};
  if (!parsed || !parsed->is_object())
    return Failed("1.0.0", kDecodingFailed, "standard input is not a JSON object");
  if (!IsKnown(version))
    return Failed("1.0.0", kIncompatibleVersion,
                  absl::StrCat("unsupported cniVersion ", inject::Quoted(version)));
  const Json* previous = Member(*parsed, "prevResult");
  if (previous == nullptr)
    return Failed(version, kInvalidConfiguration,
                  "prevResult is required: tulle-cni must follow the plugin that creates the pod's "
                  "network");
  if (call.command == "ADD")
    return Apply(call, *parsed, version, network.redirect, previous->dump(2) + "\n");
  if (call.command == "CHECK") return Apply(call, *parsed, version, network.check, "");
  return Failed(version, kInvalidEnvironment,
                absl::StrCat("unknown CNI_COMMAND ", inject::Quoted(call.command)));
}

}  // namespace tulle::cni
