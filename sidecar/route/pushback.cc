#include "sidecar/route/pushback.h"

#include <charconv>

namespace tulle::route {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Larger values are not delays (a Unix time in milliseconds, for example).
constexpr int64_t kMaxSeconds = int64_t{1} << 40;

std::optional<int64_t> NumberIn(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<milliseconds> WaitIn(const ResetHeader& header, std::string_view text,
                                   std::chrono::system_clock::time_point now) {
  const std::optional<int64_t> value = NumberIn(text);
  if (!value || *value < 0 || *value > kMaxSeconds) return std::nullopt;
  if (header.format == ResetHeader::Format::kSeconds) return seconds(*value);
  const auto until = milliseconds(seconds(*value));
  const auto wait = until - std::chrono::floor<milliseconds>(now.time_since_epoch());
  if (wait.count() < 0) return std::nullopt;
  return wait;
}

}  // namespace

Pushback PushbackOf(const RetrySpec& retry, const http::Head& answer,
                    std::chrono::system_clock::time_point now) {
  Pushback pushback;
  if (const http::Header* said = answer.headers.Find("grpc-retry-pushback-ms")) {
    const std::optional<int64_t> value = NumberIn(said->value);
    pushback.refused = !value || *value < 0;
    if (!pushback.refused && *value <= retry.max_reset_interval.count())
      pushback.wait = milliseconds(*value);
    return pushback;
  }
  for (const ResetHeader& header : retry.reset_headers) {
    const http::Header* said = answer.headers.Find(header.name);
    if (said == nullptr) continue;
    const auto wait = WaitIn(header, said->value, now);
    if (!wait || *wait > retry.max_reset_interval) continue;
    pushback.wait = wait;
    break;
  }
  return pushback;
}

}  // namespace tulle::route
