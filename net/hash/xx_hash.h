#pragma once

#include <cstdint>
#include <string_view>

namespace tulle::hash {

// XXH64: what Envoy and gRPC use for consistent hashing, so that all of them send the same caller
// to the same endpoint. Not for keys chosen by an attacker. Any thread. Source: the xxHash
// specification, version 0.1.1.
uint64_t XxHash64(std::string_view bytes, uint64_t seed = 0);

}  // namespace tulle::hash
