#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/identity_json.h"
#include "control-plane/api/identity_resources.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/insight/event_subjects.h"

namespace tulle::api {
namespace {

constexpr int64_t kTokenSeconds = 3600;

// Defaults to the account's own name.
bool ReadServices(const Json& json, const certs::SpiffeId& id, std::vector<std::string>* services,
                  ApiResponse* refusal) {
  const std::string ns(*id.namespace_name());
  Json list = json.value("services", Json::array({std::string(*id.service_account())}));
  if (!list.is_array() || list.empty() || list.size() > 64) {
    *refusal = Refuse(400, "invalid list of services", "send 1 to 64 names", "services");
    return false;
  }
  for (const Json& each : list) {
    const auto service =
        discovery::ParseServiceName(each.is_string() ? each.get<std::string>() : "", ns);
    if (!service.ok() || service->ns != ns) {
      *refusal = Refuse(
          400,
          "invalid service " + (each.is_string() ? each.dump() : "name") + " in namespace " + ns,
          "use the name of a service of this namespace, in lower case", "services");
      return false;
    }
    services->push_back(service->ns + "/" + service->name);
  }
  return true;
}

}  // namespace

Routes TokenResource::routes() {
  return {
      {"POST",
       "/v1/tokens",
       Access::kAdmin,
       "Create a join token: {account, namespace, services, ttlSeconds}",
       By(this, &TokenResource::Create),
       {},
       kJsonBody},
      {"GET", "/v1/tokens", Access::kReader,
       "List join tokens that have not expired, without their secrets",
       By(this, &TokenResource::List)},
      {"DELETE", "/v1/tokens/{id}", Access::kAdmin,
       "Revoke a join token. Workloads that have joined keep access.",
       By(this, &TokenResource::Revoke)},
  };
}

ApiResponse TokenResource::Create(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::optional<certs::SpiffeId> id;
  std::vector<std::string> services;
  int64_t seconds = kTokenSeconds;
  if (!ReadObject(call.request, {"account", "namespace", "services", "ttlSeconds"}, &json,
                  &refusal) ||
      !ReadIdentity(json, authority_->trust_domain(), &id, &refusal) ||
      !ReadServices(json, *id, &services, &refusal) ||
      !ReadSeconds(json, "ttlSeconds", &seconds, &refusal)) {
    return refusal;
  }
  const ca::TokenGrant grant{*id, services, call.now + seconds};
  const auto token =
      tokens_->Create(grant, authority_->root_key_hash(), call.caller.name, call.now);
  if (!token.ok()) return Refuse(token.status());
  ApiResponse response = Answer({{"token", *token},
                                 {"spiffeId", id->ToString()},
                                 {"services", services},
                                 {"expiresAt", grant.expires_at}},
                                201);
  response.event = call.caller.name + " created a join token for " + id->ToString() +
                   ", valid for " + std::to_string(seconds) + " s";
  response.happened = {EventBy(call, "JoinTokenCreated", insight::IdentitySubject(id->ToString()),
                               "created a join token")};
  return response;
}

ApiResponse TokenResource::List(const Call& call) {
  const auto tokens = tokens_->List(call.now);
  if (!tokens.ok()) return Refuse(tokens.status());
  Json items = Json::array();
  for (const ca::TokenRecord& token : *tokens) {
    items.push_back({{"id", token.id},
                     {"spiffeId", token.grant.id.ToString()},
                     {"services", token.grant.services},
                     {"createdAt", token.created_at},
                     {"expiresAt", token.grant.expires_at}});
  }
  return Answer({{"items", items}});
}

ApiResponse TokenResource::Revoke(const Call& call) {
  const auto token = tokens_->Revoke(call.arguments[0], call.caller.name, call.now);
  if (!token.ok()) return Refuse(token.status());
  const std::string id = token->grant.id.ToString();
  ApiResponse response = Answer({{"id", token->id}, {"spiffeId", id}, {"action", "revoked"}});
  response.event = call.caller.name + " revoked a join token for " + id;
  response.happened = {
      EventBy(call, "JoinTokenRevoked", insight::IdentitySubject(id), "revoked a join token")};
  return response;
}

}  // namespace tulle::api
