#pragma once

#include <cstdint>
#include <string_view>

namespace tulle::telemetry {

// Hexadecimal numbers as trace headers write them: lower case only; false for anything else. At
// most 16 digits; no digits are 0.
inline bool ReadHex(std::string_view text, uint64_t* value) {
  uint64_t read = 0;
  for (const char c : text) {
    uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return false;
    }
    read = read << 4 | digit;
  }
  *value = read;
  return true;
}

// Returns the end of what was written.
inline char* PutHex(uint64_t value, int digits, char* out) {
  for (int i = digits - 1; i >= 0; --i) *out++ = "0123456789abcdef"[(value >> (4 * i)) & 15];
  return out;
}

}  // namespace tulle::telemetry
