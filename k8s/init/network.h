// The routes and addresses that redirection needs: a connect must find a route before the rules see
// it. Uses rtnetlink. Blocking. Errors name the next step.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "k8s/init/redirection.h"

namespace tulle::init {

bool HasIpv6();
// An address of this network namespace outside loopback.
std::optional<std::string> OwnAddress(Family family);

absl::Status BringLoopbackUp();
// Routes `range` (IPv4) to lo, unless it has a route. True: the route was added.
absl::StatusOr<bool> AddRouteToLoopback(const std::string& range);
// Removes the route added by the former, if it exists.
absl::Status RemoveRouteToLoopback(const std::string& range);
// ::6/128, the source address of the sidecar's connections to the application.
absl::Status AddOwnSource6();
absl::Status RemoveOwnSource6();

}  // namespace tulle::init
