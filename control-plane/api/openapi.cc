#include <cctype>

#include "control-plane/api/answers.h"
#include "control-plane/api/route.h"
#include "control-plane/policy/kinds.h"
#include "control-plane/policy/openapi_schema.h"

namespace tulle::api {
namespace {

// The {names} in a path, each a string.
Json ParametersOf(std::string_view path) {
  Json parameters = Json::array();
  for (size_t open = path.find('{'); open != std::string_view::npos;
       open = path.find('{', open + 1)) {
    const std::string name(path.substr(open + 1, path.find('}', open) - open - 1));
    Json schema = {{"type", "string"}};
    if (name == "kind")
      schema["description"] = "kind of policy, like resiliencepolicies or EgressPolicy";
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", schema}});
  }
  return parameters;
}

Json OperationJson(const Route& route) {
  const Json error = {{"$ref", "#/components/schemas/Error"}};
  Json json = {
      {"summary", route.summary},
      {"responses",
       {{"200", {{"description", "success"}, {"content", {{"application/json", Json::object()}}}}},
        {"default",
         {{"description", "error"}, {"content", {{"application/json", {{"schema", error}}}}}}}}}};
  Json parameters = ParametersOf(route.path);
  for (const QueryParameter& parameter : route.query) {
    parameters.push_back({{"name", parameter.name},
                          {"in", "query"},
                          {"description", parameter.description},
                          {"schema", {{"type", "string"}}}});
  }
  if (!parameters.empty()) json["parameters"] = parameters;
  if (!route.body.empty()) {
    json["requestBody"]["content"][std::string(route.body)] = Json::object();
  }
  if (route.access == Access::kOpen) json["security"] = Json::array();
  if (route.access == Access::kAdmin) json["description"] = "Requires the role admin.";
  if (route.access == Access::kAdminCredential) {
    json["description"] =
        "Requires a credential with the role admin; tokens of service accounts are refused.";
  }
  return json;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

Json ErrorSchema() {
  const Json text = {{"type", "string"}};
  const Json fields = {{"error", text},
                       {"file", text},
                       {"line", {{"type", "integer"}}},
                       {"column", {{"type", "integer"}}},
                       {"field", text},
                       {"hint", text}};
  Json schema = {{"type", "object"}, {"required", {"error"}}, {"properties", fields}};
  schema["properties"]["problems"] = {{"type", "array"},
                                      {"items", {{"type", "object"}, {"properties", fields}}}};
  return schema;
}

}  // namespace

ApiResponse OpenApiOf(const Routes& routes, const std::string& version) {
  Json json = {{"openapi", "3.0.3"},
               {"info", {{"title", "Tulle control plane"}, {"version", version}}},
               {"security", Json::array({{{"bearer", Json::array()}}})}};
  json["components"]["securitySchemes"]["bearer"] = {{"type", "http"}, {"scheme", "bearer"}};
  json["components"]["schemas"]["Error"] = ErrorSchema();
  for (const policy::KindEntry& kind : policy::AllKinds()) {
    json["components"]["schemas"][std::string(kind.name)] = policy::OpenApiSchemaOf(kind.kind);
  }
  for (const Route& route : routes) {
    json["paths"][std::string(route.path)][LowerCase(route.method)] = OperationJson(route);
  }
  return Answer(json);
}

}  // namespace tulle::api
