#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"

namespace tulle::route {

// Finds the virtual host of an authority: exact name, otherwise the longest suffix wildcard
// ("*.a.test", "*-x.a.test"), otherwise the longest prefix wildcard ("a.test:*", "a.*"), otherwise
// "*". A wildcard matches at least one character. Case is ignored. Find does not allocate, and
// costs one hash lookup per distinct wildcard length, however many domains there are. Source:
// VirtualHost.domains.
class DomainTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Errors: duplicate domain, wildcard in the middle, too long.
  absl::Status Add(std::string_view domain, uint32_t virtual_host);
  // `own_port`: that of the request's scheme (":80"), with or without which the authority is the
  // same; an exact domain in the given spelling comes first. Empty: none.
  uint32_t Find(std::string_view authority, std::string_view own_port = {}) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Names = std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>>;
  using ByLength = std::map<size_t, Names, std::greater<>>;

  Names exact_;
  ByLength suffixes_;  // without the '*'
  ByLength prefixes_;
  uint32_t any_ = kNone;
};

}  // namespace tulle::route
