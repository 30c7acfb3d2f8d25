// Which policies concern a service, from policies as JSON. Pure.
#pragma once

#include <string>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// "Service/post", "Mesh"; of routes "Service/post:80", one for each parent; of an ExternalService
// its hosts.
std::string TargetOf(const Json& policy);
// Whether the policy is for the service, its namespace or the whole mesh. A route is for the
// services that are its parents.
bool Concerns(const Json& policy, const std::string& ns, const std::string& service);
// A short summary of what it does.
std::string SummaryOf(const Json& policy);

}  // namespace tulle::cli
