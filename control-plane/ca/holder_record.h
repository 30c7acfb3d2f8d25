// Who holds certificates, in the store: the nodes of a RootRotation with the end of what they have,
// and the certificates that no node has shown yet. Thread: the store's. Errors: absl::Status of the
// store; what cannot be read counts as held until the longest life ends.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "control-plane/ca/root_rotation.h"
#include "control-plane/store/store.h"

namespace tulle::ca {

// Before Resume. `latest` is when the last of all SVIDs ends.
absl::Status LoadHolders(store::Store* store, int64_t latest, RootRotation* rotation);

// Adds what has changed to the transaction.
void AddHolders(const RootRotation& rotation, const RootRotation::Changed& changed,
                store::Transaction* transaction);

}  // namespace tulle::ca
