// Policies as objects of a cluster's API server, with the user's own rights. Errors name the right
// that is missing, the cluster and the next step. Owner: one command. Thread: the only one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/kubernetes_api.h"
#include "control-plane/policy/kinds.h"

namespace tulle::cli {

// What an object is, where it is.
struct ObjectKey {
  policy::Kind kind;
  std::string ns;
  std::string name;
};

class ClusterObjects {
 public:
  struct ApplyOptions {
    bool is_dry_run = false;
    bool takes_conflicts = false;  // fields that another manager owns
  };

  // `where`: the cluster in words, see Describe(). `api` outlives this.
  ClusterObjects(KubernetesApi& api, std::string where) : api_(api), where_(std::move(where)) {}

  // Whether the cluster has a definition of this kind.
  absl::StatusOr<bool> Serves(policy::Kind kind);
  absl::Status RequireServed(policy::Kind kind);
  // Null: it does not exist.
  absl::StatusOr<Json> Find(const ObjectKey& key);
  // Its objects, each with apiVersion and kind. Empty `ns`: of all namespaces.
  absl::StatusOr<std::vector<Json>> List(policy::Kind kind, const std::string& ns);
  // Server-side apply; the object as it is then.
  absl::StatusOr<Json> Apply(const ObjectKey& key, const Json& object, const ApplyOptions& options);
  // False: it does not exist.
  absl::StatusOr<bool> Delete(const ObjectKey& key, bool is_dry_run);

 private:
  absl::Status Refused(const std::string& verb, policy::Kind kind, const std::string& ns,
                       const ApiReply& reply) const;

  KubernetesApi& api_;
  const std::string where_;
  std::map<std::string, Json> served_;  // by group and version, see Serves()
};

// Without what the API server keeps about an object: what a person wrote.
Json WrittenPart(Json object);

// What the control plane says of a policy in `status`.
struct Verdict {
  enum class State {
    kPending,     // nothing is said about this generation yet
    kAccepted,    // in force
    kIncomplete,  // in force, but for backends that the message names
    kRefused,     // not in force
  };

  State state = State::kPending;
  std::string reason = {};  // "Conflicted"
  std::string message = {};
};
Verdict VerdictOf(const Json& object);

}  // namespace tulle::cli
