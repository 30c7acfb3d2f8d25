#include "net/http1/grammar.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>

namespace tulle::http1 {

std::string_view NextElement(std::string_view* list) {
  const size_t comma = std::min(list->find(','), list->size());
  const std::string_view element = TrimBlanks(list->substr(0, comma));
  list->remove_prefix(std::min(comma + 1, list->size()));
  return element;
}

std::optional<int64_t> ParseDecimal(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool IsAuthority(std::string_view text) {
  if (text.empty() || !AllAre(text, kHost)) return false;
  std::string_view rest;
  if (text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close == 1) return false;
    if (text.substr(1, close - 1).find_first_not_of("0123456789abcdefABCDEF:.") !=
        std::string_view::npos) {
      return false;
    }
    rest = text.substr(close + 1);
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    if (colon == 0 || text.find_first_of("[]") != std::string_view::npos) return false;
    rest = text.substr(colon);
  }
  if (rest.empty()) return true;
  if (rest.front() != ':' || rest.size() > 6) return false;
  rest.remove_prefix(1);
  return std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
}

#if defined(__SSE2__)
namespace {

__m128i Load16(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
__m128i Load8(const char* at) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)); }

// A bit for each control byte.
unsigned ControlsOf(__m128i bytes) {
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del)));
}

}  // namespace
#endif

size_t FindControl(std::string_view text) {
  size_t at = 0;
#if defined(__SSE2__)
  for (; at + 16 <= text.size(); at += 16) {
    const unsigned mask = ControlsOf(Load16(text.data() + at));
    if (mask != 0) return at + std::countr_zero(mask);
  }
  // The rest is looked at together with bytes before it, or as two halves that overlap.
  if (at > 0 && at < text.size()) {
    at = text.size() - 16;
    const unsigned mask = ControlsOf(Load16(text.data() + at));
    return mask != 0 ? at + std::countr_zero(mask) : text.size();
  }
  if (text.size() >= 8) {
    const unsigned mask =
        ControlsOf(_mm_unpacklo_epi64(Load8(text.data()), Load8(text.data() + text.size() - 8)));
    if (mask == 0) return text.size();
    const size_t bit = std::countr_zero(mask);
    return bit < 8 ? bit : text.size() - 16 + bit;
  }
#endif
  while (at < text.size() && Is(text[at], kField)) ++at;
  return at;
}

}  // namespace tulle::http1
