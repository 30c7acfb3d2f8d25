// Sets and removes the redirection in the network namespace of this process. Blocking. Requires the
// capability NET_ADMIN. Errors name the next step.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "k8s/init/options.h"
#include "k8s/init/tables.h"

namespace tulle::init {

// Is called with each change that was made, for people.
using Tell = std::function<void(const std::string& change)>;

// One per family that is to be redirected.
absl::StatusOr<std::vector<Tables>> TablesFor(const Options& options);

// If it fails, all rules are removed: rules for one family alone would let the other bypass the
// sidecar.
absl::Status SetRedirection(const Redirection& redirection, const std::vector<Tables>& all,
                            const Tell& tell);
// Removes the rules of every variant and family, the route and the address.
absl::Status RemoveRedirection(const Redirection& redirection, const Tell& tell);

}  // namespace tulle::init
