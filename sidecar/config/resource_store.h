#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/field_table.h"
#include "sidecar/config/snapshot.h"

namespace tulle::config {

// One received resource: its bytes, what was built from them, and what it refers to.
template <typename Spec>
struct Resource {
  std::string bytes;
  std::string where;  // the prefix of its errors
  Origin origin = Origin::kDynamic;
  std::shared_ptr<const Spec> accepted;  // the newest
  std::shared_ptr<const Spec> active;    // the one in the snapshot, or null
  std::set<std::string> secrets;         // referenced secrets
  std::set<std::string> missing;         // of those, not available
  std::set<std::string> routes;          // referenced route configurations
  std::set<std::string> clusters;        // referenced clusters
  std::vector<std::string> without_effect;

  bool is_static() const { return origin == Origin::kStatic; }
  bool waits() const { return active != accepted; }
};

// The resources of one kind, by name. A new version is accepted first and becomes active when all
// that it refers to is available; until then the previous version stays active. Static resources
// are neither replaced nor removed. Owner: SnapshotLoader. Thread: main.
template <typename Spec>
class ResourceStore {
 public:
  using Names = std::set<std::string, std::less<>>;

  auto begin() { return table_.begin(); }
  auto end() { return table_.end(); }
  auto begin() const { return table_.begin(); }
  auto end() const { return table_.end(); }
  bool contains(std::string_view name) const { return table_.contains(name); }

  bool Holds(std::string_view name, std::string_view bytes) const {
    const auto found = table_.find(name);
    return found != table_.end() && found->second.bytes == bytes;
  }
  // The newest version, or null.
  std::shared_ptr<const Spec> Accepted(std::string_view name) const {
    const auto found = table_.find(name);
    return found == table_.end() ? nullptr : found->second.accepted;
  }

  // A control plane must not replace static resources of the file.
  absl::Status CheckOwner(const std::string& name, Origin origin, const FieldPath& at) const {
    const auto found = table_.find(name);
    if (found == table_.end()) return absl::OkStatus();
    if (origin == Origin::kStatic)
      return at.Error(absl::StrCat("duplicate resource name '", name, "': names must be unique"));
    if (found->second.is_static())
      return at.Error(absl::StrCat("'", name, "' is static on this proxy: use another name"));
    return absl::OkStatus();
  }
  void Put(const std::string& name, Resource<Spec> resource) {
    Resource<Spec>& stored = table_[name];
    resource.active = std::move(stored.active);
    stored = std::move(resource);
  }

  // Each returns whether a resource was removed. Static ones stay.
  bool Remove(std::string_view name) {
    const auto found = table_.find(name);
    if (found == table_.end() || found->second.is_static()) return false;
    table_.erase(found);
    return true;
  }
  bool RemoveUnless(const std::set<std::string>& wanted) {
    return std::erase_if(table_, [&](const auto& entry) {
             return !entry.second.is_static() && !wanted.contains(entry.first);
           }) > 0;
  }

  // Activates the waiting resources whose secrets are available and for which ready() is true.
  template <typename Ready>
  void Activate(Ready ready) {
    for (auto& [name, resource] : table_) {
      if (resource.waits() && resource.missing.empty() && ready(resource))
        resource.active = resource.accepted;
    }
  }
  bool any_waits() const {
    for (const auto& [name, resource] : table_) {
      if (resource.waits()) return true;
    }
    return false;
  }
  // Names in `absent` count as active.
  bool AllActive(const std::set<std::string>& names, const Names& absent = {}) const {
    for (const std::string& name : names) {
      if (absent.contains(name)) continue;
      const auto found = table_.find(name);
      if (found == table_.end() || found->second.active == nullptr) return false;
    }
    return true;
  }
  void CopyActiveTo(Snapshot::Table<Spec>& to) const {
    for (const auto& [name, resource] : table_) {
      if (resource.active != nullptr) to.emplace(name, resource.active);
    }
  }

 private:
  std::map<std::string, Resource<Spec>, std::less<>> table_;
};

}  // namespace tulle::config
