#include "control-plane/api/identity_json.h"

#include "control-plane/policy/model.h"
#include "control-plane/policy/names.h"

namespace tulle::api {

bool ReadIdentity(const Json& json, const std::string& trust_domain,
                  std::optional<certs::SpiffeId>* id, ApiResponse* refusal) {
  std::string account;
  std::string ns(policy::kDefaultNamespace);
  if (!ReadText(json, "account", &account, refusal) || !ReadText(json, "namespace", &ns, refusal)) {
    return false;
  }
  // As Kubernetes names service accounts.
  if (!policy::IsDnsName(account)) {
    *refusal = Refuse(400, "invalid account name \"" + account + "\"",
                      "use lower-case letters, digits, - and .", "account");
    return false;
  }
  if (!policy::IsDnsLabel(ns)) {
    *refusal = Refuse(400, "invalid namespace \"" + ns + "\"",
                      "use lower-case letters, digits and -", "namespace");
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

}  // namespace tulle::api
