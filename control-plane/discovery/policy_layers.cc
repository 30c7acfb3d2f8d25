#include "control-plane/discovery/policy_layers.h"

#include <utility>

namespace tulle::discovery {

// Both sets are ordered by key and share the documents that did not change.
PolicyChanges DifferenceOf(const policy::PolicySet& before, const policy::PolicySet& after) {
  PolicyChanges changes;
  for (const auto& [key, document] : before.documents()) {
    if (!after.documents().contains(key)) changes[key] = nullptr;
  }
  for (const auto& [key, document] : after.documents()) {
    const auto former = before.documents().find(key);
    const bool is_shared = former != before.documents().end() && former->second == document;
    if (!is_shared) changes[key] = document;
  }
  return changes;
}

void PolicyLayers::SetStored(policy::PolicySet policies) {
  for (auto& [key, document] : DifferenceOf(stored_, policies)) {
    if (of_cluster_.Find(key) == nullptr) changes_[key] = std::move(document);
  }
  stored_ = std::move(policies);
}

void PolicyLayers::PutOfCluster(std::shared_ptr<const policy::Document> document) {
  changes_[document->key] = document;
  of_cluster_.Upsert(std::move(document));
}

void PolicyLayers::RemoveOfCluster(const policy::DocumentKey& key) {
  if (!of_cluster_.Erase(key)) return;
  const auto stored = stored_.documents().find(key);
  changes_[key] = stored == stored_.documents().end() ? nullptr : stored->second;
}

}  // namespace tulle::discovery
