#include "telemetry/escape.h"

#include <cstddef>
#include <cstdint>

namespace tulle::telemetry {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void AppendHex(std::string& out, std::string_view prefix, unsigned char byte) {
  out += prefix;
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

bool IsPlain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

size_t PlainRun(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && IsPlain(static_cast<unsigned char>(text[n]))) ++n;
  return n;
}

// Length of the UTF-8 character at the front of `text`; 0 if it is invalid (RFC 3629) or a control
// character (U+0080 to U+009F).
size_t PrintableCharacter(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size_t size = 0;
  uint32_t code = 0, least = 0;
  if (at(0) >= 0xc2 && at(0) <= 0xdf) {
    size = 2, code = at(0) & 0x1f, least = 0xa0;
  } else if (at(0) >= 0xe0 && at(0) <= 0xef) {
    size = 3, code = at(0) & 0x0f, least = 0x800;
  } else if (at(0) >= 0xf0 && at(0) <= 0xf4) {
    size = 4, code = at(0) & 0x07, least = 0x10000;
  }
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (at(i) & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  // Characters that change the writing direction, or end lines for some readers.
  const bool layout = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return code < least || code > 0x10ffff || surrogate || layout ? 0 : size;
}

}  // namespace

void AppendEscapedText(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const size_t run = PlainRun(text);
    out += text.substr(0, run);
    text.remove_prefix(run);
    if (text.empty()) return;
    if (text[0] == '"' || text[0] == '\\') {
      out += '\\';
      out += text[0];
    } else {
      AppendHex(out, "\\x", static_cast<unsigned char>(text[0]));
    }
    text.remove_prefix(1);
  }
}

void AppendEscapedJson(std::string& out, std::string_view text) {
  while (!text.empty()) {
    size_t run = PlainRun(text);
    if (run == 0) run = PrintableCharacter(text);
    if (run != 0) {
      out += text.substr(0, run);
      text.remove_prefix(run);
      continue;
    }
    if (text[0] == '"' || text[0] == '\\') {
      out += '\\';
      out += text[0];
    } else {
      AppendHex(out, "\\u00", static_cast<unsigned char>(text[0]));
    }
    text.remove_prefix(1);
  }
}

}  // namespace tulle::telemetry
