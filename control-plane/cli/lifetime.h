// Lifetimes of tokens and certificates. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace tulle::cli {

// Seconds of "10m", "24h", "7d" or "1d12h". A UserError if the text is invalid, less than a second
// or more than ten years.
absl::StatusOr<int64_t> ParseLifetime(const std::string& text);

}  // namespace tulle::cli
