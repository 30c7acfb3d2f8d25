// Draws for percentages. Source: Envoy's FractionalPercent, here always out of a million.
#pragma once

#include <cstdint>

namespace tulle::policy {

// True for per_million of a million random numbers; only the low bits of `random` count.
constexpr bool IsDrawn(uint64_t random, uint32_t per_million) {
  return random % 1000000 < per_million;
}

}  // namespace tulle::policy
