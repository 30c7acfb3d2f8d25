#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tulle::telemetry {

// Which trace a request belongs to, and under which span. Source: W3C Trace Context, level 2.
struct TracePoint {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span = 0;
  uint8_t flags = 0;

  static constexpr uint8_t kSampled = 1;

  bool valid() const { return (trace_high | trace_low) != 0 && span != 0; }
  bool sampled() const { return (flags & kSampled) != 0; }
  bool operator==(const TracePoint&) const = default;
};

inline constexpr size_t kTraceparentSize = 55;

// The value of one traceparent header; empty: invalid, so that a new trace begins. For unknown
// versions only the first 55 characters count.
std::optional<TracePoint> ParseTraceparent(std::string_view text);
// Version 00.
void WriteTraceparent(const TracePoint& context, std::span<char, kTraceparentSize> out);
// 32 and 16 lower-case digits. ReadTraceId: false for anything else.
bool ReadTraceId(std::string_view text, TracePoint& context);
void WriteTraceId(const TracePoint& context, std::span<char, 32> out);
void WriteSpanId(uint64_t span, std::span<char, 16> out);

// Whether the value of one tracestate header is valid: at most 32 members of its grammar. All
// tracestate headers of a request together are forwarded up to kMaxTracestate characters.
bool IsTracestate(std::string_view text);
inline constexpr size_t kMaxTracestate = 512;
// W3C Baggage: anything beyond is not forwarded.
inline constexpr size_t kMaxBaggage = 8192;
inline constexpr size_t kMaxBaggageMembers = 64;

}  // namespace tulle::telemetry
