// Reads the identity that a request names. For this package only.
#pragma once

#include <optional>
#include <string>

#include "certs/spiffe_id.h"
#include "control-plane/api/answers.h"

namespace tulle::api {

// {"account", "namespace"} -> the identity. False after it has set *refusal.
bool ReadIdentity(const Json& json, const std::string& trust_domain,
                  std::optional<certs::SpiffeId>* id, ApiResponse* refusal);

}  // namespace tulle::api
