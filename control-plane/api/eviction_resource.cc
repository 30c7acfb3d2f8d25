#include "control-plane/api/eviction_resource.h"

#include "absl/strings/str_cat.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/identity_json.h"
#include "control-plane/insight/event_subjects.h"

namespace tulle::api {

Routes EvictionResource::routes() {
  return {
      {"POST",
       "/v1/evictions",
       Access::kAdmin,
       "Evict the workloads of an identity: revoke its certificates and join tokens, remove its "
       "endpoints, close its connections: {account, namespace}",
       By(this, &EvictionResource::Evict),
       {},
       kJsonBody}};
}

// The tokens first: a workload that is evicted must not join with the one it came with.
ApiResponse EvictionResource::Evict(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::optional<certs::SpiffeId> id;
  if (!ReadObject(call.request, {"account", "namespace"}, &json, &refusal) ||
      !ReadIdentity(json, authority_->trust_domain(), &id, &refusal)) {
    return refusal;
  }
  const auto tokens = tokens_->RevokeAll(*id, call.caller.name, call.now);
  if (!tokens.ok()) return Refuse(tokens.status());
  const auto certificates = authority_->Revoke(*id, call.caller.name, call.now);
  if (!certificates.ok()) return Refuse(certificates.status());
  const std::vector<std::string> instances = remove_workloads_(id->ToString());
  // Other replicas may have issued certificates that this one has not seen.
  if (*tokens == 0 && *certificates == 0 && instances.empty() && !authority_->is_shared()) {
    return Refuse(404,
                  "nothing to evict: " + id->ToString() + " has no workload, certificate or token",
                  "see the identities with `tullectl status -o wide` and `tullectl token list`");
  }
  on_change_();
  ApiResponse response = Answer({{"spiffeId", id->ToString()},
                                 {"instances", instances},
                                 {"certificates", *certificates},
                                 {"tokens", *tokens}});
  response.event = absl::StrCat(call.caller.name, " evicted ", id->ToString(), ": ",
                                instances.size(), " instances removed, ", *certificates,
                                " certificates and ", *tokens, " join tokens revoked");
  response.happened = {
      EventBy(call, "IdentityEvicted", insight::IdentitySubject(id->ToString()),
              absl::StrCat("evicted it: ", instances.size(), " instances removed, ", *certificates,
                           " certificates and ", *tokens, " join tokens revoked"))};
  return response;
}

}  // namespace tulle::api
