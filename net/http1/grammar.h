#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// The small grammar of RFC 9110 and 9112 that parser and encoder share: pure functions on text.
namespace tulle::http1 {

enum CharClass : uint8_t {
  kToken = 1,   // tchar, RFC 9110 5.6.2
  kMethod = 2,  // tchar without lower-case letters: no registered method has one
  kTarget = 4,  // visible ASCII but '#': the request target
  kHost = 8,    // authority: RFC 3986 reg-name, IP literals and the port's colon; no userinfo
  kField = 16,  // field value: HT, SP, visible ASCII and obs-text
};

constexpr std::array<uint8_t, 256> kCharClasses = [] {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool alnum = lower || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const char ch = static_cast<char>(c);
    const auto among = [ch](std::string_view set) {
      return set.find(ch) != std::string_view::npos;
    };
    const bool ascii = c > 0x20 && c < 0x7f;
    uint8_t classes = 0;
    if (alnum || (ascii && among("!#$%&'*+-.^_`|~"))) classes |= kToken;
    if ((classes & kToken) && !lower) classes |= kMethod;
    if (ascii && c != '#') classes |= kTarget;
    if (alnum || (ascii && among("-._~!$&'()*+;=%:[]"))) classes |= kHost;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) classes |= kField;
    table[c] = classes;
  }
  return table;
}();

constexpr bool Is(char c, CharClass wanted) {
  return kCharClasses[static_cast<uint8_t>(c)] & wanted;
}
constexpr bool AllAre(std::string_view text, CharClass wanted) {
  for (const char c : text) {
    if (!Is(c, wanted)) return false;
  }
  return true;
}

constexpr bool IsBlank(char c) { return c == ' ' || c == '\t'; }
constexpr std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the next element of a comma-separated list, trimmed; empty elements come out empty.
// REQUIRES: !list->empty().
std::string_view NextElement(std::string_view* list);

// 1*DIGIT, at most 18 of them.
std::optional<int64_t> ParseDecimal(std::string_view text);

// host [":" port], neither empty nor with userinfo.
bool IsAuthority(std::string_view text);

// Offset of the first control byte (below 0x20 but HT, or 0x7f) in `text`, or its size.
size_t FindControl(std::string_view text);

}  // namespace tulle::http1
