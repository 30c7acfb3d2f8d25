// Leases in the store: read at start, written by the changes of a Registry.
// Thread: the store's. Errors: absl::Status of the store; a record that cannot be read is left out
// and named.
#ifndef TULLE_CONTROL_PLANE_REGISTRY_LEASE_RECORD_H_
#define TULLE_CONTROL_PLANE_REGISTRY_LEASE_RECORD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

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

// One transaction for all that must be remembered; nothing to remember is no commit.
absl::Status SaveChanges(const std::vector<Change>& changes, store::Store* store, int64_t now);

}  // namespace tulle::registry

#endif  // TULLE_CONTROL_PLANE_REGISTRY_LEASE_RECORD_H_
