#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tulle::xds {

// A resource version in 24 bytes, for sessions that keep one for each resource of each client.
// Versions of up to 23 bytes (the control plane's have 16) are kept as they are; of longer ones, a
// hash. Pure. Source of the hash: FNV-1a.
class VersionMark {
 public:
  VersionMark() = default;
  explicit VersionMark(std::string_view version) {
    if (version.size() > kLongest) {
      text_[0] = '~';
      const uint64_t hash = Hash(version);
      for (int i = 0; i < 16; ++i) text_[i + 1] = "0123456789abcdef"[hash >> (4 * i) & 15];
      text_.back() = 17;
      return;
    }
    std::memcpy(text_.data(), version.data(), version.size());
    text_.back() = static_cast<char>(version.size());
  }

  std::string_view text() const { return {text_.data(), static_cast<size_t>(text_.back())}; }
  bool operator==(const VersionMark&) const = default;

 private:
  static constexpr size_t kLongest = 23;

  static uint64_t Hash(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    return hash;
  }

  std::array<char, kLongest + 1> text_{};  // the last byte: how many count
};

}  // namespace tulle::xds
