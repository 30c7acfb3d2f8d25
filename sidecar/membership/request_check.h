#pragma once

#include "absl/status/status.h"
#include "tulle/registry/v1/registry.pb.h"

namespace tulle::sidecar {

// Whether the registry can accept what the command line says: names, addresses and ports. An error
// names the flag. The registry checks the same again, but a sidecar cannot ask anyone to correct
// its flags while it runs.
absl::Status CheckRequest(const registry::v1::RegisterRequest& request);

}  // namespace tulle::sidecar
