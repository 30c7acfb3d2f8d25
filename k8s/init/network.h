// The routes and addresses that redirection needs: a connect must find a route before the rules see
// it. By rtnetlink. Blocking. Errors name the next step.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "k8s/init/redirection.h"

namespace tulle::init {

bool HasIpv6();
// An address of this network namespace that is not on loopback.
std::optional<std::string> OwnAddress(Family family);

absl::Status BringLoopbackUp();
// `range` (IPv4) to lo, if no route leads there. True: it was added.
absl::StatusOr<bool> AddRouteToLoopback(const std::string& range);
// The route that the former added, if it is there.
absl::Status RemoveRouteToLoopback(const std::string& range);
// ::6/128, from which the sidecar reaches the application.
absl::Status AddOwnSource6();
absl::Status RemoveOwnSource6();

}  // namespace tulle::init
