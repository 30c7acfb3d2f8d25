#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "xds/proto/type_urls.h"

namespace tulle::xds {

// Which streams a changed resource concerns: by type and name, and by wildcard. Types are those of
// kTypesInOrder. `Stream` is only ever handled by address. Lists keep the order of subscribing, so
// that a run can be repeated.
// Owner: AdsServer. Thread: the loop's.
template <typename Stream>
class Subscribers {
 public:
  void Add(std::string_view type_url, const std::string& name, Stream* stream) {
    TypeOf(type_url).by_name[name].push_back(stream);
  }
  void Remove(std::string_view type_url, const std::string& name, Stream* stream) {
    auto& by_name = TypeOf(type_url).by_name;
    const auto found = by_name.find(name);
    if (found == by_name.end()) return;
    std::erase(found->second, stream);
    if (found->second.empty()) by_name.erase(found);
  }
  void AddWildcard(std::string_view type_url, Stream* stream) {
    TypeOf(type_url).wildcard.push_back(stream);
  }
  void RemoveWildcard(std::string_view type_url, Stream* stream) {
    std::erase(TypeOf(type_url).wildcard, stream);
  }
  // Those of the name first, then those of the wildcard; a stream may come twice.
  template <typename Visit>
  void ForEach(std::string_view type_url, const std::string& name, Visit visit) const {
    const Type& type = types_[IndexOf(type_url)];
    const auto found = type.by_name.find(name);
    if (found != type.by_name.end()) {
      for (Stream* stream : found->second) visit(*stream);
    }
    for (Stream* stream : type.wildcard) visit(*stream);
  }

 private:
  struct Type {
    std::unordered_map<std::string, std::vector<Stream*>> by_name;
    std::vector<Stream*> wildcard;
  };
  static size_t IndexOf(std::string_view type_url) {
    return static_cast<size_t>(std::find(kTypesInOrder.begin(), kTypesInOrder.end(), type_url) -
                               kTypesInOrder.begin());
  }
  Type& TypeOf(std::string_view type_url) { return types_[IndexOf(type_url)]; }

  std::array<Type, kTypesInOrder.size()> types_;
};

}  // namespace tulle::xds
