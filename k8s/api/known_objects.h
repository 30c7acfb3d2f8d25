// Which objects of a resource have been reported, and in which version: turns listings and events
// into differences. Pure. Owner: Reflector.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tulle::k8s {

struct ObjectKey {
  std::string ns;  // empty: not in a namespace
  std::string name;

  auto operator<=>(const ObjectKey&) const = default;
};

class KnownObjects {
 public:
  enum class Change {
    kNone,      // the same version is known
    kPut,       // new, or changed
    kReplaced,  // another object of this name is gone: report its removal first
  };
  Change Put(const ObjectKey& key, const std::string& uid, const std::string& version);
  // False: it is not known.
  bool Remove(const ObjectKey& key) { return objects_.erase(key) > 0; }

  // A listing begins. Those that are not Put() until EndListing() are gone.
  void BeginListing() { ++listing_; }
  std::vector<ObjectKey> EndListing();

  size_t size() const { return objects_.size(); }

 private:
  struct Object {
    std::string uid;
    std::string version;
    uint64_t listing = 0;  // in which it was last seen
  };

  std::map<ObjectKey, Object> objects_;
  uint64_t listing_ = 0;
};

}  // namespace tulle::k8s
