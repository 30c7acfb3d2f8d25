// The policies of our own kinds in a cluster (tulle.dev): tells the mesh which of them are in
// force, and which status each of them should have. Of several that define the same, such as the
// resilience of one Service, the oldest is in force. An edit to an invalid spec leaves the last
// valid version in force; if none is known, as after a restart, the strictest policy for the same
// target (policy::StrictestOf) is in force instead. A policy whose target does not exist is in
// force all the same, for the Service may come later; its status says so. A change costs what
// defines the same, or has the Service as its target. Pure.
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
#include "control-plane/kubernetes/route_resolution.h"
#include "control-plane/policy/model.h"

namespace tulle::kubernetes {

class ClusterPolicies {
 public:
  // `mesh` outlives this. `mesh_namespace`: whose policies may be for the whole mesh.
  ClusterPolicies(discovery::MeshSink& mesh, std::string mesh_namespace, FindService find_service)
      : mesh_(mesh),
        mesh_namespace_(std::move(mesh_namespace)),
        find_service_(std::move(find_service)) {}

  void Put(policy::Kind kind, const ObjectKey& key, const Json& object);
  void Remove(const policy::DocumentKey& key);
  void RemoveAll(policy::Kind kind);
  // It came or went.
  void OnService(const ServiceName& service);

  // Brings the policies up to date.
  PolicyOutcome Update();

  // What to write as status.conditions of which version of the object. Nullopt: nothing.
  struct StatusChange {
    std::string version;
    Json conditions;
  };
  std::optional<StatusChange> StatusOf(const policy::DocumentKey& key,
                                       const std::string& now) const;
  // Those that are not accepted, as KIND NAMESPACE/NAME, and why: "REASON: MESSAGE".
  std::map<std::string, std::string> Refused() const;

 private:
  // Older policies come first; of the same second, in order of their keys.
  using Rank = std::pair<int64_t, policy::DocumentKey>;
  struct Entry {
    ObjectFacts facts;
    Json conditions;  // status.conditions
    // The last valid version, or the strictest policy. Null: neither is known.
    std::shared_ptr<const policy::Document> document;
    int64_t generation = 0;                            // of `document`; 0: the strictest policy
    std::string why_invalid;                           // the present version; empty: it is valid
    std::string instead;                               // why `document` is in force then
    std::shared_ptr<const policy::Document> in_force;  // that the mesh has
    Condition accepted;                                // as Update() found it
    std::optional<Condition> resolved;                 // its target; absent: it is no Service
    std::string said;                                  // why it is not accepted
  };

  void Read(const policy::DocumentKey& key, const Json& object, Entry* entry) const;
  static void Keep(policy::Document document, Entry* entry);
  void Claim(const policy::DocumentKey& key, const Entry& entry);
  void Unclaim(const policy::DocumentKey& key, const Entry& entry);
  void TouchRivals(const std::set<Rank>& rivals);
  std::optional<Condition> Resolve(const Entry& entry) const;
  // The older policy that already defines the same, and what. Empty: there is none.
  std::string ConflictOf(const Entry& entry) const;
  static Condition AcceptedOf(const Entry& entry, const std::string& conflict);
  bool UpdateOne(const policy::DocumentKey& key, Entry* entry);

  discovery::MeshSink& mesh_;
  const std::string mesh_namespace_;
  const FindService find_service_;
  std::map<policy::DocumentKey, Entry> entries_;
  std::map<std::string, std::set<Rank>> claims_;  // who defines it
  std::map<ServiceName, std::set<policy::DocumentKey>> by_target_;
  std::set<policy::DocumentKey> touched_;
  bool has_changed_ = false;  // a policy has gone
};

}  // namespace tulle::kubernetes
