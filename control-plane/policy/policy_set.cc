#include "control-plane/policy/policy_set.h"

#include <algorithm>
#include <string>

#include "control-plane/policy/claims.h"

namespace tulle::policy {
namespace {

std::string_view FieldOf(Kind kind) {
  switch (kind) {
    case Kind::kHttpRoute:
    case Kind::kGrpcRoute:
      return "spec.hostnames";
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
  Upsert(std::make_shared<const Document>(std::move(document)));
}

void PolicySet::Upsert(std::shared_ptr<const Document> document) {
  const DocumentKey key = document->key;
  documents_[key] = std::move(document);
}

bool PolicySet::Erase(const DocumentKey& key) { return documents_.erase(key) > 0; }

const Document* PolicySet::Find(const DocumentKey& key) const {
  const auto found = documents_.find(key);
  return found == documents_.end() ? nullptr : found->second.get();
}

Problems PolicySet::FindConflicts(const std::vector<Document>& incoming,
                                  std::string_view file) const {
  Problems problems;
  struct Owner {
    const Document* document;
    std::string group;
  };
  std::map<std::string, Owner> owners;
  for (const auto& [key, document] : documents_) {
    for (const auto& [claim, group] : ClaimsOf(*document)) {
      const auto [entry, is_new] = owners.emplace(claim, Owner{document.get(), group});
      const Owner& owner = entry->second;
      const bool is_shared = !group.empty() && owner.group == group;
      if (is_new || is_shared || owner.document == document.get()) continue;
      const Document* first = FindIn(incoming, owner.document->key);
      const Document* second = FindIn(incoming, key);
      const Document* mine = second != nullptr ? second : first;
      const Document& other = mine == second ? *owner.document : *document;
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
