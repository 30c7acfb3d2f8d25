#include "control-plane/policy/custom_resource.h"

#include <string>

#include "control-plane/policy/kinds.h"
#include "control-plane/policy/openapi_schema.h"

namespace tulle::policy {
namespace {

using Json = nlohmann::json;

// The control plane writes it: whether the policy is in effect, and why not.
Json StatusSchema() {
  const auto text = [](int most) { return Json{{"type", "string"}, {"maxLength", most}}; };
  const Json condition = {
      {"type", "object"},
      {"required", {"type", "status", "reason", "message"}},
      {"properties",
       {{"type", text(316)},
        {"status", {{"type", "string"}, {"enum", {"True", "False", "Unknown"}}}},
        {"reason", text(1024)},
        {"message", text(32768)},
        {"lastTransitionTime", {{"type", "string"}, {"format", "date-time"}}},
        {"observedGeneration", {{"type", "integer"}, {"format", "int64"}, {"minimum", 0}}}}}};
  return {{"type", "object"},
          {"description", "Whether the policy is in force; written by tulle-control."},
          {"properties",
           {{"conditions",
             {{"type", "array"},
              {"maxItems", 8},
              {"items", condition},
              {"x-kubernetes-list-type", "map"},
              {"x-kubernetes-list-map-keys", {"type"}}}}}}};
}

Json Columns(const KindEntry& entry) {
  Json columns = Json::array();
  if (entry.fields().Find("targetRef") != nullptr) {
    columns.push_back(
        {{"name", "Target Kind"}, {"type", "string"}, {"jsonPath", ".spec.targetRef.kind"}});
    columns.push_back(
        {{"name", "Target Name"}, {"type", "string"}, {"jsonPath", ".spec.targetRef.name"}});
  }
  columns.push_back({{"name", "Accepted"},
                     {"type", "string"},
                     {"jsonPath", ".status.conditions[?(@.type==\"Accepted\")].status"}});
  columns.push_back({{"name", "Reason"},
                     {"type", "string"},
                     {"jsonPath", ".status.conditions[?(@.type==\"Accepted\")].reason"}});
  columns.push_back(
      {{"name", "Age"}, {"type", "date"}, {"jsonPath", ".metadata.creationTimestamp"}});
  return columns;
}

Json DefinitionOf(const KindEntry& entry, const std::string& group, const std::string& version) {
  const Json whole = OpenApiSchemaOf(entry.kind);
  const std::string name(entry.name);
  const std::string plural(entry.plural);
  std::string singular = name;
  for (char& c : singular) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const Json schema = {{"type", "object"},
                       {"description", whole["description"]},
                       {"required", {"spec"}},
                       {"properties",
                        {{"apiVersion", {{"type", "string"}}},
                         {"kind", {{"type", "string"}}},
                         {"metadata", {{"type", "object"}}},
                         {"spec", whole["properties"]["spec"]},
                         {"status", StatusSchema()}}}};
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", {{"name", plural + "." + group}}},
          {"spec",
           {{"group", group},
            {"scope", "Namespaced"},
            {"names",
             {{"kind", name},
              {"listKind", name + "List"},
              {"plural", plural},
              {"singular", singular},
              {"shortNames", {std::string(entry.short_name)}},
              {"categories", {"tulle"}}}},
            {"versions",
             {{{"name", version},
               {"served", true},
               {"storage", true},
               {"schema", {{"openAPIV3Schema", schema}}},
               {"subresources", {{"status", Json::object()}}},
               {"additionalPrinterColumns", Columns(entry)}}}}}}};
}

}  // namespace

std::vector<Json> CustomResourceDefinitions() {
  std::vector<Json> definitions;
  for (const KindEntry& entry : AllKinds()) {
    if (entry.api_version == kTulleApiVersion)
      definitions.push_back(
          DefinitionOf(entry, std::string(kTulleGroup), std::string(kTulleVersion)));
  }
  return definitions;
}

}  // namespace tulle::policy
