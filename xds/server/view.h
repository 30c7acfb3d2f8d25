#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace tulle::xds {

// One resource, serialised once and shared by all streams that send it.
struct Resource {
  std::string version;  // hash of `bytes`
  std::string bytes;    // the message, serialised deterministically
  // Not part of a wildcard subscription: delta clients subscribe to it by name.
  bool by_name_only = false;
};

using ResourceTable = std::map<std::string, std::shared_ptr<const Resource>, std::less<>>;

// Names of resources that were added, changed or removed, by type URL.
using ChangedNames = std::map<std::string, std::set<std::string>, std::less<>>;

// What one node may see, as lookups into state that others see too: a view copies nothing and
// always answers for the present. Owner: the session. Thread: the loop's.
class View {
 public:
  struct Found {
    std::shared_ptr<const Resource> resource;  // null: there is none of that name
    bool by_name_only = false;
  };
  using Visit = std::function<void(const std::string& name, const Resource& resource)>;

  virtual ~View() = default;
  virtual bool Serves(std::string_view type_url) const = 0;
  virtual Found Find(std::string_view type_url, std::string_view name) const = 0;
  // Each resource of a wildcard subscription, once.
  virtual void ForEach(std::string_view type_url, const Visit& visit) const = 0;
  // The client keeps what it has even if it no longer exists: the node's registration is missing,
  // and that must not take its configuration away.
  virtual bool KeepsRemoved() const { return false; }
};

// A view of tables that hold all the node may see.
class TableView : public View {
 public:
  // Null: the type is not served.
  virtual const ResourceTable* TableOf(std::string_view type_url) const = 0;

  bool Serves(std::string_view type_url) const final { return TableOf(type_url) != nullptr; }
  Found Find(std::string_view type_url, std::string_view name) const final {
    const ResourceTable* table = TableOf(type_url);
    if (table == nullptr) return {};
    const auto found = table->find(name);
    if (found == table->end()) return {};
    return {found->second, found->second->by_name_only};
  }
  void ForEach(std::string_view type_url, const Visit& visit) const final {
    const ResourceTable* table = TableOf(type_url);
    if (table == nullptr) return;
    for (const auto& [name, resource] : *table) {
      if (!resource->by_name_only) visit(name, *resource);
    }
  }
};

}  // namespace tulle::xds
