#include "k8s/api/known_objects.h"

namespace tulle::k8s {

KnownObjects::Change KnownObjects::Put(const ObjectKey& key, const std::string& uid,
                                       const std::string& version) {
  const auto [entry, is_new] = objects_.try_emplace(key);
  Object& object = entry->second;
  object.listing = listing_;
  const bool is_same = !is_new && object.uid == uid;
  if (is_same && object.version == version) return Change::kNone;
  object.uid = uid;
  object.version = version;
  return is_new || is_same ? Change::kPut : Change::kReplaced;
}

std::vector<ObjectKey> KnownObjects::EndListing() {
  std::vector<ObjectKey> gone;
  for (auto object = objects_.begin(); object != objects_.end();) {
    if (object->second.listing == listing_) {
      ++object;
      continue;
    }
    gone.push_back(object->first);
    object = objects_.erase(object);
  }
  return gone;
}

}  // namespace tulle::k8s
