#include "control-plane/api/credential_resource.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"

namespace tulle::api {
namespace {

// It appears in logs, lists and paths: "ann", "ci-bot", "ann@example.org".
bool IsCredentialName(std::string_view text) {
  constexpr size_t kLongest = 253;
  const auto is_allowed = [](char c) {
    return absl::ascii_isalnum(c) || std::string_view("-._@").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= kLongest && absl::ascii_isalnum(text[0]) &&
         std::all_of(text.begin(), text.end(), is_allowed);
}

}  // namespace

Routes CredentialResource::routes() {
  return {
      {"GET", "/v1/credentials", Access::kReader,
       "List names and roles of credentials, without their secrets",
       By(this, &CredentialResource::List)},
      {"POST",
       "/v1/credentials",
       Access::kAdminCredential,
       "Create a credential for this API, replacing any of the same name: {name, role: "
       "reader|admin}",
       By(this, &CredentialResource::Create),
       {},
       kJsonBody},
      {"DELETE", "/v1/credentials/{name}", Access::kAdminCredential, "Delete a credential",
       By(this, &CredentialResource::Delete)},
  };
}

ApiResponse CredentialResource::Create(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::string name;
  std::string role = "reader";
  if (!ReadObject(call.request, {"name", "role"}, &json, &refusal) ||
      !ReadText(json, "name", &name, &refusal) || !ReadText(json, "role", &role, &refusal)) {
    return refusal;
  }
  if (!IsCredentialName(name)) {
    return Refuse(400, "invalid credential name \"" + name + "\"",
                  "use letters, digits, -, ., _ and @, beginning with a letter or digit", "name");
  }
  if (role != "reader" && role != "admin") {
    return Refuse(400, "unknown role \"" + role + "\"", "use reader or admin", "role");
  }
  const auto credential = credentials_->Create(
      {name, role == "admin" ? Role::kAdmin : Role::kReader}, call.caller.name, call.now);
  if (!credential.ok()) return Refuse(credential.status());
  ApiResponse response = Answer({{"name", name}, {"role", role}, {"credential", *credential}}, 201);
  response.event = call.caller.name + " created a credential for " + name + ", " + role;
  response.happened = {
      EventBy(call, "CredentialCreated", {"Credential", "", name}, "created it: " + role)};
  return response;
}

ApiResponse CredentialResource::List(const Call&) {
  const auto credentials = credentials_->List();
  if (!credentials.ok()) return Refuse(credentials.status());
  Json items = Json::array();
  for (const CredentialRecord& each : *credentials) {
    items.push_back({{"name", each.principal.name},
                     {"role", each.principal.role == Role::kAdmin ? "admin" : "reader"},
                     {"createdAt", each.created_at}});
  }
  return Answer({{"items", items}});
}

ApiResponse CredentialResource::Delete(const Call& call) {
  if (call.arguments[0] == call.caller.name) {
    return Refuse(409, "cannot delete the credential that is in use",
                  "use the credential of another admin");
  }
  const absl::Status status = credentials_->Delete(call.arguments[0], call.caller.name, call.now);
  if (!status.ok()) return Refuse(status);
  ApiResponse response = Answer({{"name", call.arguments[0]}, {"action", "deleted"}});
  response.event = call.caller.name + " deleted the credential of " + call.arguments[0];
  response.happened = {
      EventBy(call, "CredentialDeleted", {"Credential", "", call.arguments[0]}, "deleted it")};
  return response;
}

}  // namespace tulle::api
