// Which policies concern a service, from policies as JSON. Pure.
#pragma once

#include <string>
#include <vector>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// "Service/post", "Mesh"; of routes "Service/post:80", one for each parent; of an ExternalService
// its hosts.
std::string TargetOf(const Json& policy);
// Whether the policy is for the service, its namespace or the whole mesh. A route is for the
// services that are its parents.
bool Concerns(const Json& policy, const std::string& ns, const std::string& service);
// Of a kind of which the most specific policy applies as a whole (service, then namespace, then
// mesh): the one of `policies` that applies to the service instead of `policy`. Null: none does.
const Json* MoreSpecific(const Json& policy, const Json& policies, const std::string& ns,
                         const std::string& service);
// Of a route: the services that it sends requests to, as NAME.NAMESPACE, each once.
std::vector<std::string> BackendsOf(const Json& route);
// Of a route: the services that it is for, as NAME.NAMESPACE.
std::vector<std::string> ParentsOf(const Json& route);
// A short summary of what it does.
std::string SummaryOf(const Json& policy);

}  // namespace tulle::cli
