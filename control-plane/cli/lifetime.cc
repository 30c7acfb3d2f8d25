#include "control-plane/cli/lifetime.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr int64_t kDay = 24 * 3600;
constexpr int64_t kMost = 3650 * kDay;  // the limit of the API

int64_t SecondsOf(char unit) {
  switch (unit) {
    case 'd':
      return kDay;
    case 'h':
      return 3600;
    case 'm':
      return 60;
    case 's':
      return 1;
    default:
      return 0;
  }
}

absl::Status NoLifetime(const std::string& text) {
  return UserError("invalid duration \"" + text + "\"",
                   "use at least 1s, like 10m, 24h, 7d or 1h30m");
}

}  // namespace

absl::StatusOr<int64_t> ParseLifetime(const std::string& text) {
  int64_t total = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_not_of("0123456789", at), text.size());
    const int64_t unit = end < text.size() ? SecondsOf(text[end]) : 0;
    int64_t number = 0;
    if (end == at || unit == 0) return NoLifetime(text);
    const bool fits = absl::SimpleAtoi(text.substr(at, end - at), &number) && number <= kMost;
    total += fits ? number * unit : kMost + 1;
    if (total > kMost) {
      return UserError("duration \"" + text + "\" is too long", "must be at most 3650d (10 years)");
    }
    at = end + 1;
  }
  if (total == 0) return NoLifetime(text);
  return total;
}

}  // namespace tulle::cli
