// The policies of our own kinds in a cluster (tulle.dev): tells the mesh which of them are in
// force, and which status each of them should have. Of several that define the same, such as the
// resilience of one Service, the oldest is in force. A change costs what defines the same. Pure.
//
// Owner: PolicyApi. Thread: the loop's. Order: any changes, then Update().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/discovery/mesh_source.h"
#include "control-plane/kubernetes/object_facts.h"
#include "control-plane/kubernetes/policy_outcome.h"
#include "control-plane/policy/model.h"

namespace tulle::kubernetes {

class ClusterPolicies {
 public:
  // `mesh` outlives this. `mesh_namespace`: whose policies may be for the whole mesh.
  ClusterPolicies(discovery::MeshSink& mesh, std::string mesh_namespace)
      : mesh_(mesh), mesh_namespace_(std::move(mesh_namespace)) {}

  void Put(policy::Kind kind, const ObjectKey& key, const Json& object);
  void Remove(const policy::DocumentKey& key);
  void RemoveAll(policy::Kind kind);

  // Brings the policies up to date.
  PolicyOutcome Update();

  // What to write as status.conditions of which version of the object. Nullopt: nothing.
  struct StatusChange {
    std::string version;
    Json conditions;
  };
  std::optional<StatusChange> StatusOf(const policy::DocumentKey& key,
                                       const std::string& now) const;
  // Those that are not in force, as KIND NAMESPACE/NAME, and why.
  std::map<std::string, std::string> Refused() const;

 private:
  // Older policies come first; of the same second, in order of their keys.
  using Rank = std::pair<int64_t, policy::DocumentKey>;
  struct Entry {
    ObjectFacts facts;
    Json conditions;                                   // status.conditions
    std::shared_ptr<const policy::Document> document;  // null: invalid
    std::shared_ptr<const policy::Document> in_force;  // that the mesh has
    Condition accepted;                                // as Update() found it
    std::string said;                                  // why it is not in force
  };

  void Read(const policy::DocumentKey& key, const Json& object, Entry* entry) const;
  void Claim(const policy::DocumentKey& key, const Entry& entry);
  void Unclaim(const policy::DocumentKey& key, const Entry& entry);
  void TouchRivals(const std::set<Rank>& rivals);
  Condition Judge(const Entry& entry) const;
  bool UpdateOne(const policy::DocumentKey& key, Entry* entry);

  discovery::MeshSink& mesh_;
  const std::string mesh_namespace_;
  std::map<policy::DocumentKey, Entry> entries_;
  std::map<std::string, std::set<Rank>> claims_;  // who defines it
  std::set<policy::DocumentKey> touched_;
  bool has_changed_ = false;  // a policy has gone
};

}  // namespace tulle::kubernetes
