#include "control-plane/policy/names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace tulle::policy {
namespace {

constexpr std::string_view kMeshDomain = "cluster.local";

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// Size of the first character in UTF-8 (RFC 3629: shortest form, no surrogates); 0: invalid.
size_t SizeOfFirst(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  if (byte(0) < 0x80) return 1;
  const size_t size = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < size) return 0;
  const unsigned char least = byte(0) == 0xe0 ? 0xa0 : byte(0) == 0xf0 ? 0x90 : 0x80;
  const unsigned char most = byte(0) == 0xed ? 0x9f : byte(0) == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t at = 2; at < size; ++at) {
    if (byte(at) < 0x80 || byte(at) > 0xbf) return 0;
  }
  return size;
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool IsToken(std::string_view text) {
  constexpr std::string_view kSigns = "!#$%&'*+-.^_`|~";
  return !text.empty() && text.size() <= 256 && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           kSigns.find(c) != std::string_view::npos;
  });
}

bool IsHeaderValue(std::string_view text) {
  return text.size() <= 4096 && std::all_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
         });
}

bool IsRequestPath(std::string_view text) {
  return text.starts_with('/') && text.size() <= kLongestPath && IsHeaderValue(text) &&
         text.find_first_of(" \t") == std::string_view::npos;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = SizeOfFirst(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool IsMeshName(std::string_view host) {
  std::string name = LowerCase(host);
  while (name.ends_with('.')) name.pop_back();
  return name == kMeshDomain || name.ends_with("." + std::string(kMeshDomain));
}

bool IsIpAddress(std::string_view text) {
  unsigned char bytes[16];
  const std::string address(text);
  if (text.find('\0') != std::string_view::npos) return false;  // inet_pton() ends there
  return inet_pton(AF_INET, address.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, address.c_str(), bytes) == 1;
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  std::chrono::milliseconds total{0};
  int parts = 0;
  while (!text.empty() && ++parts <= 4) {
    size_t digits = 0;
    int64_t number = 0;
    while (digits < text.size() && std::isdigit(static_cast<unsigned char>(text[digits])) != 0) {
      if (digits == 5) return std::nullopt;
      number = number * 10 + (text[digits++] - '0');
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    int64_t unit = 0;
    size_t unit_size = 1;
    if (text.substr(0, 2) == "ms") {
      unit = 1;
      unit_size = 2;
    } else if (text.substr(0, 1) == "s") {
      unit = 1000;
    } else if (text.substr(0, 1) == "m") {
      unit = 60 * 1000;
    } else if (text.substr(0, 1) == "h") {
      unit = 3600 * 1000;
    } else {
      return std::nullopt;
    }
    text.remove_prefix(unit_size);
    total += std::chrono::milliseconds(number * unit);
  }
  if (parts == 0 || !text.empty()) return std::nullopt;
  return total;
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  struct Unit {
    int64_t milliseconds;
    const char* suffix;
  };
  constexpr Unit kUnits[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
  int64_t rest = duration.count();
  if (rest <= 0) return "0s";
  std::string text;
  for (const Unit& unit : kUnits) {
    if (rest < unit.milliseconds) continue;
    text += std::to_string(rest / unit.milliseconds) + unit.suffix;
    rest %= unit.milliseconds;
  }
  return text;
}

}  // namespace tulle::policy
