// Parses and writes traceparent, tracestate and baggage.
#include "telemetry/trace_context.h"

#include "telemetry/hex.h"

namespace tulle::telemetry {
namespace {

bool IsKeyStart(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsKeyCharacter(char c) {
  return IsKeyStart(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
}

bool IsMember(std::string_view member) {
  const size_t equals = member.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > 256) return false;
  if (!IsKeyStart(member[0])) return false;
  for (const char c : member.substr(0, equals)) {
    if (!IsKeyCharacter(c)) return false;
  }
  const std::string_view value = member.substr(equals + 1);
  if (value.empty() || value.size() > 256) return false;
  for (const char c : value) {
    if (c < 0x20 || c > 0x7e || c == '=') return false;
  }
  return true;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<TracePoint> ParseTraceparent(std::string_view text) {
  if (text.size() < kTraceparentSize) return std::nullopt;
  uint64_t version = 0;
  uint64_t flags = 0;
  TracePoint context;
  const bool read = ReadHex(text.substr(0, 2), &version) && text[2] == '-' &&
                    ReadHex(text.substr(3, 16), &context.trace_high) &&
                    ReadHex(text.substr(19, 16), &context.trace_low) && text[35] == '-' &&
                    ReadHex(text.substr(36, 16), &context.span) && text[52] == '-' &&
                    ReadHex(text.substr(53, 2), &flags);
  if (!read || version == 0xff || !context.valid()) return std::nullopt;
  const bool ends = text.size() == kTraceparentSize;
  if (!ends && (version == 0 || text[kTraceparentSize] != '-')) return std::nullopt;
  context.flags = static_cast<uint8_t>(flags);
  return context;
}

void WriteTraceparent(const TracePoint& context, std::span<char, kTraceparentSize> out) {
  char* at = out.data();
  *at++ = '0';
  *at++ = '0';
  *at++ = '-';
  at = PutHex(context.trace_high, 16, at);
  at = PutHex(context.trace_low, 16, at);
  *at++ = '-';
  at = PutHex(context.span, 16, at);
  *at++ = '-';
  PutHex(context.flags, 2, at);
}

bool ReadTraceId(std::string_view text, TracePoint& context) {
  return text.size() == 32 && ReadHex(text.substr(0, 16), &context.trace_high) &&
         ReadHex(text.substr(16), &context.trace_low);
}

void WriteTraceId(const TracePoint& context, std::span<char, 32> out) {
  PutHex(context.trace_low, 16, PutHex(context.trace_high, 16, out.data()));
}

void WriteSpanId(uint64_t span, std::span<char, 16> out) { PutHex(span, 16, out.data()); }

bool IsTracestate(std::string_view text) {
  constexpr int kMaxMembers = 32;
  int members = 0;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view member = Trimmed(text.substr(0, comma));
    // Empty members are allowed, and do not count.
    if (!member.empty() && (!IsMember(member) || ++members > kMaxMembers)) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace tulle::telemetry
