// The objects of an installation at a cluster's API server: applied and deleted with the user's own
// rights. Owner: one command. Thread: the only one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/kubernetes_api.h"

namespace tulle::cli {

// "deployment/tulle-control", as kubectl prints it.
std::string ResourceName(const Json& object);

class InstalledObjects {
 public:
  // `where`: the cluster in words, see Describe(). `api` outlives this.
  InstalledObjects(KubernetesApi& api, std::string where) : api_(api), where_(std::move(where)) {}

  // Server-side apply; "created" or "applied".
  absl::StatusOr<std::string> Apply(const Json& object);
  // The object as it would be then; null: the user may not apply it.
  absl::StatusOr<Json> Preview(const Json& object);
  // False: it does not exist.
  absl::StatusOr<bool> Delete(const Json& object);
  // Null: it does not exist, or the user may not read it. `target`: a path of the API.
  absl::StatusOr<Json> Get(const std::string& target);
  // Null: it does not exist. Absent: the user may not read it.
  absl::StatusOr<std::optional<Json>> Find(const Json& object);
  // Whether the user may do this with the object: "patch", "delete".
  absl::StatusOr<bool> May(const std::string& verb, const Json& object);

 private:
  absl::Status Refused(const std::string& verb, const Json& object, const ApiReply& reply) const;

  KubernetesApi& api_;
  const std::string where_;
};

// What keeps the control plane from being available, a line each; empty: it is available.
// `deployment` and `pods` as the API server lists them.
std::vector<std::string> HindrancesOf(const Json& deployment, const Json& pods);

}  // namespace tulle::cli
