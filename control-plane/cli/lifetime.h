// How long a token or certificate shall live, as a person writes it. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace tulle::cli {

// Seconds: "10m", "24h", "7d", "1d12h". A Trouble for what is none, for less than a second, and for
// more than ten years.
absl::StatusOr<int64_t> ParseLifetime(const std::string& text);

}  // namespace tulle::cli
