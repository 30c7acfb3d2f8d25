#include "control-plane/kubernetes/cluster_policies.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/policy/claims.h"
#include "control-plane/policy/stored_policy.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;

constexpr char kAccepted[] = "Accepted";
constexpr char kResolvedRefs[] = "ResolvedRefs";

Condition NotAccepted(const char* reason, std::string message) {
  return {kAccepted, false, reason, std::move(message)};
}

// Absent: it is for more than one Service, or for none.
std::optional<ServiceName> TargetOf(const policy::Document& document) {
  return std::visit(
      [](const auto& spec) -> std::optional<ServiceName> {
        if constexpr (requires { spec.target; }) {
          if (spec.target.kind == policy::TargetKind::kService)
            return ServiceName{spec.target.ns, spec.target.name};
        }
        return std::nullopt;
      },
      document.spec);
}

}  // namespace

void ClusterPolicies::Keep(policy::Document document, Entry* entry) {
  document.created_at = entry->facts.created_at;
  entry->document = std::make_shared<const policy::Document>(std::move(document));
}

void ClusterPolicies::Read(const policy::DocumentKey& key, const Json& object, Entry* entry) const {
  const Json& spec = At(object, {"spec"});
  policy::StoredPolicy read = policy::ReadStoredPolicy(key, spec, mesh_namespace_);
  entry->why_invalid = std::move(read.why_invalid);
  if (read.document) {
    entry->generation = entry->facts.generation;
    return Keep(*std::move(read.document), entry);
  }
  if (entry->document != nullptr && entry->generation != 0) {
    entry->instead = absl::StrCat("generation ", entry->generation, " stays in force");
    return;
  }
  entry->document = nullptr;
  if (auto strictest = policy::StrictestOf(key, spec, mesh_namespace_)) {
    entry->instead =
        absl::StrCat("no valid version is known, so ", strictest->effect, " until it is valid");
    Keep(std::move(strictest->document), entry);
  }
}

void ClusterPolicies::TouchRivals(const std::set<Rank>& rivals) {
  for (const Rank& rival : rivals) touched_.insert(rival.second);
}

void ClusterPolicies::Claim(const policy::DocumentKey& key, const Entry& entry) {
  if (entry.document == nullptr) return;
  for (const policy::Claim& claim : policy::ClaimsOf(*entry.document)) {
    std::set<Rank>& rivals = claims_[claim.text];
    const auto place = rivals.insert({entry.facts.created_at, key}).first;
    // The others name the first in their status.
    if (place == rivals.begin()) TouchRivals(rivals);
  }
  if (const auto target = TargetOf(*entry.document)) by_target_[*target].insert(key);
}

void ClusterPolicies::Unclaim(const policy::DocumentKey& key, const Entry& entry) {
  if (entry.document == nullptr) return;
  for (const policy::Claim& claim : policy::ClaimsOf(*entry.document)) {
    const auto rivals = claims_.find(claim.text);
    if (rivals == claims_.end()) continue;  // said twice by this policy
    const bool was_first = rivals->second.begin()->second == key;
    rivals->second.erase({entry.facts.created_at, key});
    if (was_first) TouchRivals(rivals->second);
    if (rivals->second.empty()) claims_.erase(rivals);
  }
  const auto target = TargetOf(*entry.document);
  if (!target) return;
  std::set<policy::DocumentKey>& keys = by_target_[*target];
  keys.erase(key);
  if (keys.empty()) by_target_.erase(*target);
}

void ClusterPolicies::Put(policy::Kind kind, const ObjectKey& key, const Json& object) {
  const policy::DocumentKey name{kind, key.ns, key.name};
  Entry& entry = entries_[name];
  touched_.insert(name);
  ObjectFacts facts = ObjectFacts::Of(object);
  const bool has_same_spec = facts.HasSameSpecAs(entry.facts);
  entry.conditions = At(object, {"status", "conditions"});
  if (has_same_spec) {
    entry.facts.version = std::move(facts.version);
    return;
  }
  Unclaim(name, entry);
  // Another object of the same name: the watch has missed the deletion of the former one.
  if (facts.uid != entry.facts.uid) entry.document = nullptr;
  entry.facts = std::move(facts);
  Read(name, object, &entry);
  Claim(name, entry);
}

void ClusterPolicies::Remove(const policy::DocumentKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  Unclaim(key, entry);
  if (entry.in_force != nullptr) {
    mesh_.RemovePolicy(key);
    has_changed_ = true;
  }
  entries_.erase(found);
}

void ClusterPolicies::RemoveAll(policy::Kind kind) {
  for (auto it = entries_.lower_bound({kind, "", ""});
       it != entries_.end() && it->first.kind == kind;) {
    Remove((it++)->first);
  }
}

void ClusterPolicies::OnService(const ServiceName& service) {
  const auto found = by_target_.find(service);
  if (found != by_target_.end()) touched_.insert(found->second.begin(), found->second.end());
}

std::optional<Condition> ClusterPolicies::Resolve(const Entry& entry) const {
  const auto target = entry.document == nullptr ? std::nullopt : TargetOf(*entry.document);
  if (!target) return std::nullopt;
  if (find_service_(*target) != nullptr)
    return Condition{kResolvedRefs, true, kResolvedRefs, "The target exists"};
  return Condition{kResolvedRefs, false, "TargetNotFound",
                   absl::StrCat("Service ", target->ns, "/", target->name,
                                " not found: the policy has no effect until it exists")};
}

std::string ClusterPolicies::ConflictOf(const Entry& entry) const {
  if (entry.document == nullptr) return "";
  for (const policy::Claim& claim : policy::ClaimsOf(*entry.document)) {
    const policy::DocumentKey& first = claims_.at(claim.text).begin()->second;
    if (first == entry.document->key) continue;
    return absl::StrCat(policy::ToText(first), ", which is older, already defines ", claim.text);
  }
  return "";
}

Condition ClusterPolicies::AcceptedOf(const Entry& entry, const std::string& conflict) {
  if (entry.why_invalid.empty()) {
    return conflict.empty() ? Condition{kAccepted, true, kAccepted, "The policy is in force"}
                            : NotAccepted("Conflicted", conflict);
  }
  const bool has_substitute = entry.document != nullptr && conflict.empty();
  return NotAccepted("Invalid", has_substitute
                                    ? absl::StrCat(entry.why_invalid, "; ", entry.instead)
                                    : entry.why_invalid);
}

// Whether the mesh was told something.
bool ClusterPolicies::UpdateOne(const policy::DocumentKey& key, Entry* entry) {
  const std::string conflict = ConflictOf(*entry);
  entry->accepted = AcceptedOf(*entry, conflict);
  entry->resolved = Resolve(*entry);
  const auto wanted = conflict.empty() ? entry->document : nullptr;
  auto& in_force = entry->in_force;
  if (wanted == in_force) return false;
  if (wanted == nullptr) {
    mesh_.RemovePolicy(key);
  } else if (in_force == nullptr || !in_force->SameAs(*wanted) ||
             in_force->created_at != wanted->created_at) {
    mesh_.PutPolicy(wanted);
  } else {
    return false;
  }
  in_force = wanted;
  return true;
}

PolicyOutcome ClusterPolicies::Update() {
  PolicyOutcome outcome;
  outcome.has_changed = std::exchange(has_changed_, false);
  for (const policy::DocumentKey& key : std::exchange(touched_, {})) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    const std::string former = std::exchange(entry.said, "");
    outcome.has_changed |= UpdateOne(key, &entry);
    outcome.documents.push_back(key);
    if (entry.accepted.is_true) continue;
    entry.said = entry.accepted.message;
    if (entry.said != former)
      outcome.refused.push_back(absl::StrCat(policy::ToText(key), ": ", entry.said));
  }
  return outcome;
}

std::optional<ClusterPolicies::StatusChange> ClusterPolicies::StatusOf(
    const policy::DocumentKey& key, const std::string& now) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  // Conditions of other types are others'.
  Json conditions = Json::array();
  if (entry.conditions.is_array()) {
    for (const Json& each : entry.conditions) {
      const std::string type = k8s::TextAt(each, {"type"});
      if (type != kAccepted && type != kResolvedRefs) conditions.push_back(each);
    }
  }
  conditions.push_back(ConditionFor(entry.accepted, entry.conditions, entry.facts.generation, now));
  if (entry.resolved) {
    conditions.push_back(
        ConditionFor(*entry.resolved, entry.conditions, entry.facts.generation, now));
  }
  if (conditions == entry.conditions) return std::nullopt;
  return StatusChange{entry.facts.version, std::move(conditions)};
}

std::map<std::string, std::string> ClusterPolicies::Refused() const {
  std::map<std::string, std::string> refused;
  for (const auto& [key, entry] : entries_) {
    if (entry.accepted.is_true) continue;
    refused[policy::ToText(key)] =
        absl::StrCat(entry.accepted.reason, ": ", entry.accepted.message);
  }
  return refused;
}

}  // namespace tulle::kubernetes
