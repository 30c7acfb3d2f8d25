// What several replicas of a control plane answer, as one answer. Each proxy is connected to one
// replica, which alone knows its state; another one may remember that it has left. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// Of /v1/proxies: each proxy once, as the replica that it is connected to knows it.
Json MergedProxies(const std::vector<Json>& lists);
std::set<std::string> ConnectedProxies(const Json& list);

// Of /v1/services: the open circuit breakers of an endpoint in the proxies of all replicas.
Json MergedServices(const std::vector<Json>& lists);

// Of /v1/traffic: links of all replicas added up. What a service reports of a caller is left out if
// any replica knows it from the caller itself. Without quantiles, which cannot be added up.
Json MergedTraffic(const std::vector<Json>& reports);

// Of /v1/traffic/history: the same, with quantiles of what was added up.
Json MergedHistory(const std::vector<Json>& reports);

// Of /v1/check: a check fails if it fails at one replica. `connected`: proxies that are connected
// to any of them; a replica that remembers one of these as gone does not count.
Json MergedChecks(const std::vector<Json>& reports, const std::set<std::string>& connected);
// Whether `connected` matters: a replica names a proxy that is not connected to it.
bool NamesAbsentProxies(const std::vector<Json>& reports);

}  // namespace tulle::cli
