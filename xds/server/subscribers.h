#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tulle::xds {

// Which streams a changed resource concerns: by type and name, and by wildcard. `Stream` is only
// ever handled by address. Lists keep the order of subscribing, so that a run can be repeated.
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
    const auto type = types_.find(type_url);
    if (type == types_.end()) return;
    const auto found = type->second.by_name.find(name);
    if (found != type->second.by_name.end()) {
      for (Stream* stream : found->second) visit(*stream);
    }
    for (Stream* stream : type->second.wildcard) visit(*stream);
  }
  // How many streams name the resource.
  size_t CountOf(std::string_view type_url, const std::string& name) const {
    const auto type = types_.find(type_url);
    if (type == types_.end()) return 0;
    const auto found = type->second.by_name.find(name);
    return found == type->second.by_name.end() ? 0 : found->second.size();
  }

 private:
  struct Type {
    std::unordered_map<std::string, std::vector<Stream*>> by_name;
    std::vector<Stream*> wildcard;
  };
  Type& TypeOf(std::string_view type_url) {
    const auto found = types_.find(type_url);
    if (found != types_.end()) return found->second;
    return types_.emplace(std::string(type_url), Type()).first->second;
  }

  std::map<std::string, Type, std::less<>> types_;
};

}  // namespace tulle::xds
