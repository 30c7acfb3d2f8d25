#include "net/usage/unsafe_text.h"

#include <cstdint>
#include <cstdio>
#include <utility>

namespace tulle::usage {
namespace {

struct Range {
  uint32_t first, last;
};

constexpr Range kUnsafe[] = {
    {0x00, 0x1f},     {0x7f, 0x9f}, {0x061c, 0x061c},  // Arabic letter mark
    {0x200e, 0x200f},                                  // left-to-right and right-to-left mark
    {0x2028, 0x202e},   // line and paragraph separator, embeddings and overrides
    {0x2066, 0x2069}};  // isolates

struct Character {
  uint32_t code = 0;
  size_t bytes = 1;
};

// Of at most three bytes, which all unsafe ones have.
Character CharacterAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const auto is_continued = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  if ((byte(0) & 0xe0) == 0xc0 && is_continued(1))
    return {(byte(0) & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if ((byte(0) & 0xf0) == 0xe0 && is_continued(1) && is_continued(2))
    return {(byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {byte(0) < 0x80 ? byte(0) : UINT32_MAX, 1};
}

std::string WithoutUnsafe(std::string text, bool keeps_lines) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (keeps_lines && text[i] == '\n') continue;
    for (size_t bytes = UnsafeBytes(text, i); bytes > 0; --bytes) text[i + bytes - 1] = ' ';
  }
  return text;
}

}  // namespace

std::string Printable(std::string text) { return WithoutUnsafe(std::move(text), false); }
std::string PrintableLines(std::string text) { return WithoutUnsafe(std::move(text), true); }

size_t UnsafeBytes(std::string_view text, size_t at) {
  const Character character = CharacterAt(text, at);
  for (const Range& range : kUnsafe) {
    if (character.code >= range.first && character.code <= range.last) return character.bytes;
  }
  return 0;
}

std::string WithEscapes(std::string_view json) {
  std::string escaped;
  escaped.reserve(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const bool is_layout = static_cast<unsigned char>(json[i]) < 0x20;
    const size_t bytes = is_layout ? 0 : UnsafeBytes(json, i);
    if (bytes == 0) {
      escaped += json[i];
      continue;
    }
    char text[8];
    std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(CharacterAt(json, i).code));
    escaped += text;
    i += bytes - 1;
  }
  return escaped;
}

}  // namespace tulle::usage
