// XXH64, which Envoy and gRPC use for consistent hashing: all of them send the same caller to the
// same endpoint. Not for keys that an attacker chooses. Any thread.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace tulle::hash {

inline uint64_t XxHash64(std::string_view bytes, uint64_t seed = 0) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

}  // namespace tulle::hash
