// AuthorizationPolicy as Envoy's RBAC rules: DENY first, then, if any ALLOW policy is bound here,
// one must match. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-plane/discovery/mesh.h"
#include "control-plane/policy/policy_index.h"
#include "envoy/config/rbac/v3/rbac.pb.h"

namespace tulle::snapshot {

struct AuthorizationRules {
  std::optional<envoy::config::rbac::v3::RBAC> deny;
  std::optional<envoy::config::rbac::v3::RBAC> allow;  // without policies: nobody passes
  bool looks_at_paths = false;
};

// The rules for one inbound port. On a tcp port, a rule with methods or paths can never match: an
// ALLOW rule allows nothing, and a DENY rule denies every connection of its callers.
AuthorizationRules RulesFor(const policy::PolicyIndex& policies, const std::string& trust_domain,
                            const std::vector<discovery::ServiceName>& services,
                            const discovery::InboundPort& port);

}  // namespace tulle::snapshot
