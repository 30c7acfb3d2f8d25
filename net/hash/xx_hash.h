#pragma once

#include <cstdint>
#include <string_view>

namespace tulle::hash {

// XXH64: what Envoy and gRPC hash with where requests are to keep to an endpoint, so that all of
// them send the same caller to the same place. Not for keys that an attacker chooses. Any thread.
// Source: the xxHash specification, version 0.1.1.
uint64_t XxHash64(std::string_view bytes, uint64_t seed = 0);

}  // namespace tulle::hash
