// Leases in the store: read at start, written by the changes of a Registry.
// Thread: the store's. Errors: absl::Status of the store; a record that cannot be read is left out
// and named.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/registry/registry.h"
#include "control-plane/store/store.h"

namespace tulle::registry {

std::string LeaseToJson(const Lease& lease);
absl::StatusOr<Lease> LeaseFromJson(std::string_view json);

struct StoredLeases {
  std::vector<Lease> leases;
  std::vector<std::string> damaged;  // one message each
};
absl::StatusOr<StoredLeases> LoadLeases(store::Store* store);

// What has changed and is not on disk yet: of each instance the newest word alone, so that a disk
// that is full for a day costs no more memory than the registry itself.
class UnsavedLeases {
 public:
  // At start: there is a record of this instance.
  void NoteStored(const std::string& instance) { stored_.insert(instance); }
  void Add(Change change);

  // All of it in one transaction; nothing to remember is no commit. Not OK: what is left is tried
  // again by the next call. A record that the store will never take is given up, and named in
  // `refused`; the others are saved without it.
  absl::Status Save(store::Store* store, int64_t now, std::vector<std::string>* refused);
  size_t size() const { return changes_.size(); }

 private:
  using Changes = std::map<std::string, Change>;  // by instance

  static absl::Status Commit(const Changes& changes, store::Store* store, int64_t now);
  absl::Status SaveEach(store::Store* store, int64_t now, std::vector<std::string>* refused);
  void NoteSaved(const Change& change);

  Changes changes_;
  std::set<std::string> stored_;
};

}  // namespace tulle::registry
