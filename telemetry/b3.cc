// Parses and writes B3 headers:
//
//   b3: TRACE-SPAN[-(0|1|d)[-PARENT]] | 0 | 1 | d
#include "telemetry/b3.h"

#include "telemetry/hex.h"

namespace tulle::telemetry {
namespace {

constexpr size_t kSpanDigits = 16;
constexpr size_t kTraceDigits = 32;

// False: not 16 digits, or zero.
bool ReadSpan(std::string_view text, uint64_t* span) {
  return text.size() == kSpanDigits && ReadHex(text, span) && *span != 0;
}

bool ReadTrace(std::string_view text, B3Point& context) {
  context.is_wide = text.size() == kTraceDigits;
  if (!context.is_wide && text.size() != kSpanDigits) return false;
  const size_t high = text.size() - kSpanDigits;
  return ReadHex(text.substr(0, high), &context.trace_high) &&
         ReadHex(text.substr(high), &context.trace_low) &&
         (context.trace_high | context.trace_low) != 0;
}

bool ReadDecision(std::string_view text, B3Decision* decision) {
  if (text == "0") {
    *decision = B3Decision::kNotSampled;
  } else if (text == "1") {
    *decision = B3Decision::kSampled;
  } else if (text == "d") {
    *decision = B3Decision::kDebug;
  } else {
    return false;
  }
  return true;
}

// x-b3-flags prevails, since a caller that sets it leaves x-b3-sampled out.
bool ReadDecision(const B3Fields& fields, B3Decision* decision) {
  if (!fields.flags.empty() && fields.flags != "0" && fields.flags != "1") return false;
  // Former versions of the specification wrote words.
  if (fields.sampled == "true") {
    *decision = B3Decision::kSampled;
  } else if (fields.sampled == "false") {
    *decision = B3Decision::kNotSampled;
  } else if (!fields.sampled.empty() &&
             (fields.sampled == "d" || !ReadDecision(fields.sampled, decision))) {
    return false;
  }
  if (fields.flags == "1") *decision = B3Decision::kDebug;
  return true;
}

}  // namespace

std::optional<B3Point> ParseB3(std::string_view single) {
  if (single.size() > kLongestB3) return std::nullopt;
  B3Point context;
  if (ReadDecision(single, &context.decision)) return context;
  const size_t span = single.find('-') + 1;
  if (span == 0 || single.size() < span + kSpanDigits) return std::nullopt;
  if (!ReadTrace(single.substr(0, span - 1), context) ||
      !ReadSpan(single.substr(span, kSpanDigits), &context.span))
    return std::nullopt;
  std::string_view rest = single.substr(span + kSpanDigits);
  if (rest.empty()) return context;
  if (rest.size() < 2 || rest[0] != '-' || !ReadDecision(rest.substr(1, 1), &context.decision))
    return std::nullopt;
  rest.remove_prefix(2);
  if (rest.empty()) return context;
  if (rest[0] != '-' || !ReadSpan(rest.substr(1), &context.parent)) return std::nullopt;
  return context;
}

std::optional<B3Point> ParseB3(const B3Fields& fields) {
  B3Point context;
  if (!ReadDecision(fields, &context.decision)) return std::nullopt;
  if (fields.trace.empty() && fields.span.empty() && fields.parent.empty()) {
    if (context.decision == B3Decision::kDeferred) return std::nullopt;
    return context;
  }
  if (!ReadTrace(fields.trace, context) || !ReadSpan(fields.span, &context.span) ||
      (!fields.parent.empty() && !ReadSpan(fields.parent, &context.parent)))
    return std::nullopt;
  return context;
}

size_t WriteB3(const B3Point& context, std::span<char, kLongestB3> out) {
  char* at = out.data();
  if (context.is_wide) at = PutHex(context.trace_high, 16, at);
  at = PutHex(context.trace_low, 16, at);
  *at++ = '-';
  at = PutHex(context.span, 16, at);
  if (context.decision != B3Decision::kDeferred) {
    *at++ = '-';
    *at++ = context.decision == B3Decision::kDebug ? 'd' : context.sampled() ? '1' : '0';
    if (context.parent != 0) {
      *at++ = '-';
      at = PutHex(context.parent, 16, at);
    }
  }
  return static_cast<size_t>(at - out.data());
}

}  // namespace tulle::telemetry
