#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tulle::xds {

// One resource, serialised once and shared by all streams that send it.
struct Resource {
  std::string version;  // hash of `bytes`
  std::string bytes;    // the message, serialised deterministically
  // A wildcard does not mean it: delta clients ask for it by name when they need it.
  bool by_name_only = false;
};

using ResourceTable = std::map<std::string, std::shared_ptr<const Resource>, std::less<>>;

// All that one node may see, at one moment. Immutable.
class View {
 public:
  virtual ~View() = default;
  // Null: the type is not served. The same table (by address) in two views: nothing changed.
  virtual const ResourceTable* TableOf(std::string_view type_url) const = 0;
};

}  // namespace tulle::xds
