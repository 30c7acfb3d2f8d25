// A custom resource of Kubernetes as the policy that it stands for, or why it is invalid. The
// status of a stored object and the webhook that refuses an edit use the same decision and the same
// words. Pure; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "control-plane/policy/model.h"
#include "control-plane/policy/problem.h"

namespace tulle::policy {

// The first problems in one line of valid UTF-8 that fits into a condition, without file and line.
std::string SummaryOf(const Problems& problems);

struct StoredPolicy {
  std::optional<Document> document;  // nullopt: invalid
  std::string why_invalid;           // one line that names the field
};

// `spec`: of an object of tulle.dev with this key. `mesh_namespace`: whose policies may be for the
// whole mesh.
StoredPolicy ReadStoredPolicy(const DocumentKey& key, const nlohmann::json& spec,
                              std::string_view mesh_namespace);

// What holds for the target of an AuthorizationPolicy, PeerAuthentication or EgressPolicy that is
// invalid: nothing is allowed that the policy could have meant to forbid. Only the target and
// whether the policy is of ALLOW rules are read from it.
struct StrictestPolicy {
  Document document;
  std::string effect;  // "all requests to Service shop/web are denied"
};

// Nullopt: the kind forbids nothing, or the target cannot be read either. Arguments: as above.
std::optional<StrictestPolicy> StrictestOf(const DocumentKey& key, const nlohmann::json& spec,
                                           std::string_view mesh_namespace);

}  // namespace tulle::policy
