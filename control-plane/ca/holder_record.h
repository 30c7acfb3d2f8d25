// Who holds certificates, in the store: the nodes of a RootRotation with the end of what they have,
// the certificates that no node has shown yet, and all that have not expired. Thread: the store's.
// Errors: absl::Status of the store; what cannot be read counts as held until the longest life
// ends.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/ca/issued_certificates.h"
#include "control-plane/ca/root_rotation.h"
#include "control-plane/store/store.h"

namespace tulle::ca {

// Before Resume. `latest` is when the last of all SVIDs ends.
absl::Status LoadHolders(store::Store* store, int64_t latest, RootRotation* rotation);

// Adds what has changed to the transaction.
void AddHolders(const RootRotation& rotation, const RootRotation::Changed& changed,
                store::Transaction* transaction);

// What cannot be read is ignored: such a certificate can no longer be revoked, and expires.
absl::Status LoadCertificates(store::Store* store, IssuedCertificates* certificates);
void AddCertificates(const IssuedCertificates& certificates,
                     const std::set<IssuedCertificates::Key>& changed,
                     store::Transaction* transaction);
// As AddCertificates will write it once it is revoked.
void AddRevoked(const std::vector<IssuedCertificates::Key>& keys, std::string_view identity,
                int64_t now, store::Transaction* transaction);

}  // namespace tulle::ca
