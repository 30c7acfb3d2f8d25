// The policies of two owners as one set: the store's, which users change with tullectl, and those
// of a Kubernetes cluster. Where both have a policy of the same kind, namespace and name, the
// cluster's is in force, and the store's again once the cluster's is gone.
//
// A change of the cluster's policies costs what it touches; one of the store's is compared policy
// by policy, without looking into those that are shared with the former set. Owner: MeshBuilder.
// Thread: the loop's.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "control-plane/policy/policy_set.h"

namespace tulle::discovery {

// Null: there is none any more.
using PolicyChanges = std::map<policy::DocumentKey, std::shared_ptr<const policy::Document>>;

// What turns `before` into `after`.
PolicyChanges DifferenceOf(const policy::PolicySet& before, const policy::PolicySet& after);

class PolicyLayers {
 public:
  void SetStored(policy::PolicySet policies);
  void PutOfCluster(std::shared_ptr<const policy::Document> document);
  void RemoveOfCluster(const policy::DocumentKey& key);

  const policy::PolicySet& of_cluster() const { return of_cluster_; }
  // Of what is in force, since the last call.
  PolicyChanges TakeChanges() { return std::exchange(changes_, {}); }

 private:
  policy::PolicySet stored_;
  policy::PolicySet of_cluster_;
  PolicyChanges changes_;
};

}  // namespace tulle::discovery
