#include "control-plane/api/call.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/policy/names.h"

namespace tulle::api {
namespace {

constexpr int64_t kTokenSeconds = 3600;

const char* TextOf(ca::RotationPhase phase) {
  switch (phase) {
    case ca::RotationPhase::kSteady:
      return "steady";
    case ca::RotationPhase::kAnnouncing:
      return "announcing the new root";
    case ca::RotationPhase::kRenewing:
      break;
  }
  return "renewing certificates";
}

// {"account", "namespace"} -> the identity they name.
bool ReadIdentity(const Json& json, const std::string& trust_domain,
                  std::optional<certs::SpiffeId>* id, ApiResponse* refusal) {
  std::string account;
  std::string ns(policy::kDefaultNamespace);
  if (!ReadText(json, "account", &account, refusal) || !ReadText(json, "namespace", &ns, refusal)) {
    return false;
  }
  if (!policy::IsDnsLabel(account)) {
    *refusal = Refuse(400, "\"" + account + "\" is no name of an account",
                      "lower-case letters, digits and -", "account");
    return false;
  }
  if (!policy::IsDnsLabel(ns)) {
    *refusal = Refuse(400, "\"" + ns + "\" is no name of a namespace",
                      "lower-case letters, digits and -", "namespace");
    return false;
  }
  auto made = certs::SpiffeId::ForWorkload(trust_domain, ns, account);
  if (!made.ok()) {
    *refusal = Refuse(made.status());
    return false;
  }
  *id = *std::move(made);
  return true;
}

// Without a list: the account's own name.
bool ReadServices(const Json& json, const certs::SpiffeId& id, std::vector<std::string>* services,
                  ApiResponse* refusal) {
  const std::string ns(*id.namespace_name());
  Json list = json.value("services", Json::array({std::string(*id.service_account())}));
  if (!list.is_array() || list.empty() || list.size() > 64) {
    *refusal = Refuse(400, "is no list of services", "send 1 to 64 names", "services");
    return false;
  }
  for (const Json& each : list) {
    const auto service =
        discovery::ParseServiceName(each.is_string() ? each.get<std::string>() : "", ns);
    if (!service.ok() || service->ns != ns) {
      *refusal = Refuse(400, "holds what is no service of namespace " + ns,
                        "send short names, lower case", "services");
      return false;
    }
    services->push_back(service->ns + "/" + service->name);
  }
  return true;
}

}  // namespace

ApiResponse Api::CreateToken(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::optional<certs::SpiffeId> id;
  std::vector<std::string> services;
  int64_t seconds = kTokenSeconds;
  if (!ReadObject(call.request, {"account", "namespace", "services", "ttlSeconds"}, &json,
                  &refusal) ||
      !ReadIdentity(json, parts_.authority->trust_domain(), &id, &refusal) ||
      !ReadServices(json, *id, &services, &refusal) ||
      !ReadSeconds(json, "ttlSeconds", &seconds, &refusal)) {
    return refusal;
  }
  const ca::TokenGrant grant{*id, services, call.now + seconds};
  const auto token =
      parts_.tokens->Create(grant, parts_.authority->root_key_hash(), call.caller.name, call.now);
  if (!token.ok()) return Refuse(token.status());
  ApiResponse response = Answer({{"token", *token},
                                 {"spiffeId", id->ToString()},
                                 {"services", services},
                                 {"expiresAt", grant.expires_at}},
                                201);
  response.event = call.caller.name + " made a join token for " + id->ToString() + ", valid for " +
                   std::to_string(seconds) + " s";
  return response;
}

ApiResponse Api::ListTokens(const Call& call) {
  const auto tokens = parts_.tokens->List(call.now);
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

ApiResponse Api::RevokeToken(const Call& call) {
  const auto token = parts_.tokens->Revoke(call.arguments[0], call.caller.name, call.now);
  if (!token.ok()) return Refuse(token.status());
  const std::string id = token->grant.id.ToString();
  ApiResponse response = Answer({{"id", token->id}, {"spiffeId", id}, {"action", "revoked"}});
  response.event = call.caller.name + " revoked a join token for " + id;
  return response;
}

ApiResponse Api::ListCredentials(const Call&) {
  const auto credentials = parts_.credentials->List();
  if (!credentials.ok()) return Refuse(credentials.status());
  Json items = Json::array();
  for (const CredentialRecord& each : *credentials) {
    items.push_back({{"name", each.principal.name},
                     {"role", each.principal.role == Role::kAdmin ? "admin" : "reader"},
                     {"createdAt", each.created_at}});
  }
  return Answer({{"items", items}});
}

ApiResponse Api::CreateCredential(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::string name;
  std::string role = "reader";
  if (!ReadObject(call.request, {"name", "role"}, &json, &refusal) ||
      !ReadText(json, "name", &name, &refusal) || !ReadText(json, "role", &role, &refusal)) {
    return refusal;
  }
  if (role != "reader" && role != "admin") {
    return Refuse(400, "\"" + role + "\" is no role", "send reader or admin", "role");
  }
  const auto credential = parts_.credentials->Create(
      {name, role == "admin" ? Role::kAdmin : Role::kReader}, call.caller.name, call.now);
  if (!credential.ok()) return Refuse(credential.status());
  ApiResponse response = Answer({{"name", name}, {"role", role}, {"credential", *credential}}, 201);
  response.event = call.caller.name + " made a credential for " + name + ", " + role;
  return response;
}

ApiResponse Api::DeleteCredential(const Call& call) {
  if (call.arguments[0] == call.caller.name) {
    return Refuse(409, "this is the credential that you are using",
                  "use another admin's to delete it");
  }
  const absl::Status status =
      parts_.credentials->Delete(call.arguments[0], call.caller.name, call.now);
  if (!status.ok()) return Refuse(status);
  ApiResponse response = Answer({{"name", call.arguments[0]}, {"action", "deleted"}});
  response.event = call.caller.name + " deleted the credential of " + call.arguments[0];
  return response;
}

ApiResponse Api::IssueCertificate(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::optional<certs::SpiffeId> id;
  std::string csr;
  int64_t seconds = 0;
  if (!ReadObject(call.request, {"account", "namespace", "csr", "ttlSeconds"}, &json, &refusal) ||
      !ReadIdentity(json, parts_.authority->trust_domain(), &id, &refusal) ||
      !ReadText(json, "csr", &csr, &refusal) ||
      !ReadSeconds(json, "ttlSeconds", &seconds, &refusal)) {
    return refusal;
  }
  const auto issued = parts_.authority->Issue(
      *id, csr, seconds == 0 ? std::nullopt : std::optional<int64_t>(seconds),
      ca::MeshAuthority::Holder::kFile, call.now);
  if (!issued.ok()) return Refuse(issued.status());
  ApiResponse response = Answer({{"certificate", issued->certificate_pem},
                                 {"trustBundle", issued->trust_bundle_pem},
                                 {"notAfter", issued->not_after},
                                 {"spiffeId", issued->spiffe_id}},
                                201);
  response.event = call.caller.name + " had a certificate issued for " + issued->spiffe_id;
  return response;
}

ApiResponse Api::RotateRoot(const Call& call) {
  Json json;
  ApiResponse refusal;
  if (!ReadObject(call.request, {}, &json, &refusal)) return refusal;
  const absl::Status status = parts_.authority->BeginRotation(call.now);
  if (!status.ok()) return Refuse(status);
  // Where nobody need be waited for it is done by now. A step that fails stays due.
  for (auto stepped = absl::StatusOr<bool>(true); stepped.ok() && *stepped;) {
    stepped = parts_.authority->AdvanceRotation(call.now);
  }
  parts_.on_change();
  ApiResponse response = ShowRoots(call);
  response.event = call.caller.name + " began a rotation of the root";
  return response;
}

ApiResponse Api::ShowRoots(const Call& call) {
  const ca::RootRotation& rotation = parts_.authority->rotation();
  const auto& root = parts_.authority->signing().certificate();
  return Answer({{"trustDomain", parts_.authority->trust_domain()},
                 {"phase", TextOf(rotation.phase())},
                 {"since", rotation.since()},
                 {"waitingFor", rotation.waiting()},
                 {"waitsUntil", rotation.waits_until(call.now)},
                 {"signingRoot",
                  {{"sha256", root.sha256()},
                   {"notBefore", root.not_before()},
                   {"notAfter", root.not_after()}}},
                 {"trustBundle", parts_.authority->trust_bundle_pem()}});
}

}  // namespace tulle::api
