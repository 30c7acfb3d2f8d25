#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/container/btree_map.h"
#include "xds/proto/type_urls.h"

namespace tulle::xds {

// Which streams a changed resource concerns: by type and name, and by wildcard. Types are those of
// kTypesInOrder. A stream is known by its number, which no other stream ever has; `Stream` is only
// handled by address. Streams are visited in order of their numbers, so that a run can be repeated.
// Adding and removing do not depend on how many subscribers there are, but for a logarithm.
// Owner: AdsServer. Thread: the loop's.
template <typename Stream>
class Subscribers {
 public:
  void Add(std::string_view type_url, const std::string& name, uint64_t number, Stream* stream) {
    TypeOf(type_url).by_name[name].emplace(number, stream);
  }
  void Remove(std::string_view type_url, const std::string& name, uint64_t number) {
    auto& by_name = TypeOf(type_url).by_name;
    const auto found = by_name.find(name);
    if (found == by_name.end()) return;
    found->second.erase(number);
    if (found->second.empty()) by_name.erase(found);
  }
  void AddWildcard(std::string_view type_url, uint64_t number, Stream* stream) {
    TypeOf(type_url).wildcard.emplace(number, stream);
  }
  void RemoveWildcard(std::string_view type_url, uint64_t number) {
    TypeOf(type_url).wildcard.erase(number);
  }
  // Those of the name first, then those of the wildcard; a stream may come twice.
  template <typename Visit>
  void ForEach(std::string_view type_url, const std::string& name, Visit visit) const {
    const Type& type = types_[IndexOf(type_url)];
    const auto found = type.by_name.find(name);
    if (found != type.by_name.end()) {
      for (const auto& [number, stream] : found->second) visit(*stream);
    }
    for (const auto& [number, stream] : type.wildcard) visit(*stream);
  }

 private:
  using Streams = absl::btree_map<uint64_t, Stream*>;  // by number; small, and few allocations
  struct Type {
    std::unordered_map<std::string, Streams> by_name;
    Streams wildcard;
  };
  static size_t IndexOf(std::string_view type_url) {
    return static_cast<size_t>(std::find(kTypesInOrder.begin(), kTypesInOrder.end(), type_url) -
                               kTypesInOrder.begin());
  }
  Type& TypeOf(std::string_view type_url) { return types_[IndexOf(type_url)]; }

  std::array<Type, kTypesInOrder.size()> types_;
};

}  // namespace tulle::xds
