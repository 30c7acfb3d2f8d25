#include "control-plane/policy/policy_set.h"

#include <algorithm>
#include <string>

namespace tulle::policy {
namespace {

std::string ServiceText(const ServiceName& service) { return service.ns + "/" + service.name; }

void ClaimsOfHosts(const std::vector<std::string>& hosts, std::vector<std::string>* claims) {
  for (const std::string& host : hosts) claims->push_back("the host name " + host);
}

void ClaimsOfRoute(const HttpRoute& route, std::vector<std::string>* claims) {
  for (const ParentRef& parent : route.parents) {
    claims->push_back("the routes of Service " + ServiceText(parent.service) +
                      (parent.port ? " port " + std::to_string(*parent.port) : ""));
  }
  ClaimsOfHosts(route.hostnames, claims);
}

// What a document defines and no other may define too. The texts also serve as keys.
std::vector<std::string> ClaimsOf(const Document& document) {
  std::vector<std::string> claims;
  if (const auto* route = std::get_if<HttpRoute>(&document.spec)) {
    ClaimsOfRoute(*route, &claims);
  } else if (const auto* resilience = std::get_if<ResiliencePolicy>(&document.spec)) {
    claims.push_back("the resilience of " + ToText(resilience->target));
  } else if (const auto* authorization = std::get_if<AuthorizationPolicy>(&document.spec)) {
    const bool allows = authorization->action == AuthorizationAction::kAllow;
    claims.push_back(std::string("the ") + (allows ? "ALLOW" : "DENY") + " rules of " +
                     ToText(authorization->target));
  } else if (const auto* peer = std::get_if<PeerAuthentication>(&document.spec)) {
    claims.push_back("the mTLS mode of " + ToText(peer->target));
  } else if (const auto* telemetry = std::get_if<TelemetryPolicy>(&document.spec)) {
    claims.push_back("the telemetry of " + ToText(telemetry->target));
  } else if (const auto* egress = std::get_if<EgressPolicy>(&document.spec)) {
    claims.push_back("the unknown destinations of " + ToText(egress->target));
  } else if (const auto* external = std::get_if<ExternalService>(&document.spec)) {
    ClaimsOfHosts(external->hosts, &claims);
  }
  return claims;
}

std::string_view FieldOf(Kind kind) {
  switch (kind) {
    case Kind::kHttpRoute:
      return "spec.parentRefs";
    case Kind::kExternalService:
      return "spec.hosts";
    default:
      return "spec.targetRef";
  }
}

const Document* FindIn(const std::vector<Document>& documents, const DocumentKey& key) {
  const auto found = std::find_if(documents.begin(), documents.end(),
                                  [&](const Document& each) { return each.key == key; });
  return found == documents.end() ? nullptr : &*found;
}

}  // namespace

void PolicySet::Upsert(Document document) {
  const DocumentKey key = document.key;
  documents_[key] = std::make_shared<const Document>(std::move(document));
}

bool PolicySet::Erase(const DocumentKey& key) { return documents_.erase(key) > 0; }

const Document* PolicySet::Find(const DocumentKey& key) const {
  const auto found = documents_.find(key);
  return found == documents_.end() ? nullptr : found->second.get();
}

Problems PolicySet::FindConflicts(const std::vector<Document>& incoming,
                                  std::string_view file) const {
  Problems problems;
  std::map<std::string, const Document*> owners;
  for (const auto& [key, document] : documents_) {
    for (const std::string& claim : ClaimsOf(*document)) {
      const auto [owner, is_new] = owners.emplace(claim, document.get());
      if (is_new || owner->second == document.get()) continue;
      const Document* first = FindIn(incoming, owner->second->key);
      const Document* second = FindIn(incoming, key);
      const Document* mine = second != nullptr ? second : first;
      const Document& other = mine == second ? *owner->second : *document;
      problems.push_back({std::string(file), mine == nullptr ? 0 : mine->line, 0,
                          std::string(FieldOf(mine == nullptr ? key.kind : mine->key.kind)),
                          ToText(other.key) + " already defines " + claim,
                          "change that policy, or delete it first"});
    }
  }
  return problems;
}

std::vector<const Document*> PolicySet::ExternalServices() const {
  std::vector<const Document*> found;
  for (auto entry = documents_.lower_bound(DocumentKey{Kind::kExternalService, "", ""});
       entry != documents_.end() && entry->first.kind == Kind::kExternalService; ++entry) {
    found.push_back(entry->second.get());
  }
  return found;
}

}  // namespace tulle::policy
