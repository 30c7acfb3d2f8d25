#include "k8s/install/manifests.h"

#include <utility>

#include "control-plane/policy/custom_resource.h"
#include "control-plane/policy/kinds.h"
#include "k8s/install/objects.h"

namespace tulle::install {

namespace {

// What `kubectl get -l` finds an installation by.
Json Labelled(Json object) {
  object["metadata"]["labels"]["app.kubernetes.io/part-of"] = "tulle";
  return object;
}

}  // namespace

Json ClusterObject(const char* version, const char* kind, const char* name, Json more) {
  more["apiVersion"] = version;
  more["kind"] = kind;
  more["metadata"]["name"] = name;
  return Labelled(std::move(more));
}

Json Object(const char* version, const char* kind, const char* name, Json more) {
  Json object = ClusterObject(version, kind, name, std::move(more));
  object["metadata"]["namespace"] = kNamespace;
  return object;
}

std::vector<std::string> PolicyResources(const std::string& part) {
  std::vector<std::string> resources;
  for (const policy::KindEntry& kind : policy::AllKinds()) {
    if (kind.api_version == policy::kTulleApiVersion)
      resources.push_back(std::string(kind.plural) + part);
  }
  return resources;
}

std::vector<Json> Definitions() {
  std::vector<Json> definitions = policy::CustomResourceDefinitions();
  for (Json& definition : definitions) definition = Labelled(std::move(definition));
  return definitions;
}

std::vector<Json> Manifests(const Settings& settings) {
  const Json restricted = {{"pod-security.kubernetes.io/enforce", "restricted"}};
  std::vector<Json> manifests = {
      ClusterObject("v1", "Namespace", kNamespace, {{"metadata", {{"labels", restricted}}}})};
  for (Json& object : Access()) manifests.push_back(std::move(object));
  manifests.push_back(ControlDeployment(settings));
  manifests.push_back(ControlDisruptions());
  manifests.push_back(ControlNetworkPolicy(settings));
  manifests.push_back(ControlService());
  manifests.push_back(InjectionWebhook());
  manifests.push_back(PolicyWebhook());
  return manifests;
}

}  // namespace tulle::install
