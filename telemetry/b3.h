#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "telemetry/trace_context.h"

namespace tulle::telemetry {

// What a caller has decided about the spans of its trace.
enum class B3Decision : uint8_t { kDeferred, kNotSampled, kSampled, kDebug };

// The trace that B3 headers name. Source: github.com/openzipkin/b3-propagation.
struct B3Point {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span = 0;
  uint64_t parent = 0;   // of that span; 0: unknown, or a root
  bool is_wide = false;  // the trace id has 128 bits
  B3Decision decision = B3Decision::kDeferred;

  // Otherwise there is a decision alone.
  bool has_trace() const { return span != 0; }
  bool sampled() const {
    return decision == B3Decision::kSampled || decision == B3Decision::kDebug;
  }
  bool operator==(const B3Point&) const = default;
};

// The values of x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled and x-b3-flags; empty:
// there is no such header.
struct B3Fields {
  std::string_view trace{};
  std::string_view span{};
  std::string_view parent{};
  std::string_view sampled{};
  std::string_view flags{};
};

// The value of one b3 header, or the fields of several; empty: invalid. As the specification
// requires, ids have 16 or (traces) 32 lower-case digits and are not zero.
std::optional<B3Point> ParseB3(std::string_view single);
std::optional<B3Point> ParseB3(const B3Fields& fields);

// The value of a b3 header, with the parent if it is known. `context` has a trace. Returns the
// number of characters.
inline constexpr size_t kLongestB3 = 32 + 1 + 16 + 1 + 1 + 1 + 16;
size_t WriteB3(const B3Point& context, std::span<char, kLongestB3> out);

}  // namespace tulle::telemetry
