#include "control-plane/api/call.h"

namespace tulle::api {
namespace {

struct Operation {
  const char* path;
  const char* method;
  const char* summary;
  const char* body;  // media type, or null
};

constexpr Operation kOperations[] = {
    {"/v1/apply", "post",
     "Validate and store a file of policies, whole or not at all; ?dryRun=true only says what "
     "would change, ?file=NAME is shown in errors; `warnings` name what has no effect yet",
     "application/yaml"},
    {"/v1/delete", "post",
     "Delete policies in one change: {items: [{kind, namespace, name}]}; those that are not there "
     "are named in `missing`; ?dryRun=true only says what would be deleted",
     "application/json"},
    {"/v1/policies", "get", "All policies; ?namespace=NS", nullptr},
    {"/v1/policies/{kind}", "get", "Policies of one kind", nullptr},
    {"/v1/policies/{kind}/{namespace}/{name}", "get", "One policy", nullptr},
    {"/v1/policies/{kind}/{namespace}/{name}", "delete", "Delete one policy", nullptr},
    {"/v1/policies/{kind}/{namespace}/{name}/history", "get", "Its former versions, newest first",
     nullptr},
    {"/v1/history", "get", "The last changes of policies, newest first", nullptr},
    {"/v1/rollback", "post",
     "Make policies as they were after a revision: {revision, kind, namespace, name}; no revision "
     "means before the last change, no kind all policies; ?dryRun=true only says what would change",
     "application/json"},
    {"/v1/backup", "post", "Everything that is stored, with the roots' keys", nullptr},
    {"/v1/hosts", "get", "Virtual addresses of services and the names they go by", nullptr},
    {"/v1/services", "get", "Services with their ports, endpoints and identities", nullptr},
    {"/v1/workloads", "get", "Registered instances", nullptr},
    {"/v1/proxies", "get",
     "Proxies: connected, acknowledged versions, rejections, end of certificate", nullptr},
    {"/v1/proxies/{name}", "get", "One proxy", nullptr},
    {"/v1/proxies/{name}/config/{part}", "get",
     "What a proxy was given: listeners, routes, clusters, endpoints or secrets (never a key)",
     nullptr},
    {"/v1/tokens", "post", "A join token: {account, namespace, services, ttlSeconds}",
     "application/json"},
    {"/v1/tokens", "get", "Join tokens that have not expired, by their ids; no secrets", nullptr},
    {"/v1/tokens/{id}", "delete", "Let nobody join by this token any more", nullptr},
    {"/v1/credentials", "get", "Names and roles of the credentials; no secrets", nullptr},
    {"/v1/credentials", "post", "A credential for this API: {name, role: reader|admin}",
     "application/json"},
    {"/v1/credentials/{name}", "delete", "Delete a credential", nullptr},
    {"/v1/certs", "get", "Roots and the state of their rotation", nullptr},
    {"/v1/certs/issue", "post", "A certificate for a CSR: {account, namespace, csr, ttlSeconds}",
     "application/json"},
    {"/v1/certs/rotate", "post", "Begin to replace the root", nullptr},
    {"/v1/check", "get", "What is wrong with the mesh", nullptr},
    {"/v1/traces", "get", "The newest traces, from spans of sidecars; ?limit=N", nullptr},
    {"/v1/traces/{id}", "get", "One trace", nullptr},
    {"/v1/version", "get", "Version of the control plane, and the port that serves sidecars",
     nullptr},
    {"/openapi.json", "get", "This description", nullptr},
};

// The {names} of a path, each a string.
Json ParametersOf(std::string_view path) {
  Json parameters = Json::array();
  for (size_t open = path.find('{'); open != std::string_view::npos;
       open = path.find('{', open + 1)) {
    const std::string name(path.substr(open + 1, path.find('}', open) - open - 1));
    Json schema = {{"type", "string"}};
    if (name == "kind") schema["description"] = "like resiliencepolicies or EgressPolicy";
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", schema}});
  }
  return parameters;
}

Json OperationJson(const Operation& operation) {
  const Json error = {{"$ref", "#/components/schemas/Error"}};
  Json json = {
      {"summary", operation.summary},
      {"responses",
       {{"200", {{"description", "done"}, {"content", {{"application/json", Json::object()}}}}},
        {"default",
         {{"description", "refused"}, {"content", {{"application/json", {{"schema", error}}}}}}}}}};
  const Json parameters = ParametersOf(operation.path);
  if (!parameters.empty()) json["parameters"] = parameters;
  if (operation.body != nullptr) {
    json["requestBody"] = {{"content", {{operation.body, Json::object()}}}};
  }
  return json;
}

Json ErrorSchema() {
  const Json text = {{"type", "string"}};
  const Json fields = {{"error", text},
                       {"file", text},
                       {"line", {{"type", "integer"}}},
                       {"field", text},
                       {"hint", text}};
  Json schema = {{"type", "object"}, {"required", {"error"}}, {"properties", fields}};
  schema["properties"]["problems"] = {{"type", "array"},
                                      {"items", {{"type", "object"}, {"properties", fields}}}};
  return schema;
}

}  // namespace

ApiResponse Api::OpenApi(const Call&) {
  Json json = {{"openapi", "3.0.3"},
               {"info", {{"title", "Tulle control plane"}, {"version", parts_.version}}},
               {"security", Json::array({{{"bearer", Json::array()}}})}};
  json["components"]["securitySchemes"]["bearer"] = {{"type", "http"}, {"scheme", "bearer"}};
  json["components"]["schemas"]["Error"] = ErrorSchema();
  for (const Operation& operation : kOperations) {
    json["paths"][operation.path][operation.method] = OperationJson(operation);
  }
  return Answer(json);
}

}  // namespace tulle::api
