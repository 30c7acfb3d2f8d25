// What the endpoints of policies and of their history say of a change, and which they refuse. Pure.
// For this package only.
#pragma once

#include <optional>
#include <string>

#include "control-plane/api/answers.h"
#include "control-plane/api/api.h"
#include "control-plane/discovery/policy_book.h"

namespace tulle::api {

// "created", "changed", "deleted", "unchanged".
const char* TextOf(discovery::PolicyChange::Action action);

Json OutcomeJson(const discovery::ApplyOutcome& outcome, bool is_dry_run);
// "ann changed HTTPRoute default/post, deleted ...; revision 7"; empty: nothing was changed.
std::string EventOf(const discovery::ApplyOutcome& outcome, const std::string& author);
// For a change that would store a policy of a kind that a Kubernetes cluster serves: it belongs
// there. Nullopt: it stores none.
std::optional<ApiResponse> RefuseKindsOfCluster(const discovery::ApplyOutcome& outcome,
                                                const ControlPlaneView& view);

}  // namespace tulle::api
