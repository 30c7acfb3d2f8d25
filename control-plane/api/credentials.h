// Bearer credentials of people and tools that use the API: an admin may change everything, a reader
// may only read. Stored as the SHA-256 of the secret (32 random bytes), compared in constant time.
// Thread: the store's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/store/store.h"

namespace tulle::api {

enum class Role { kReader, kAdmin };

struct Principal {
  std::string name;
  Role role = Role::kReader;
  // Tells those apart who share the name of a service account: its token's. Empty: a credential,
  // which is one caller's.
  std::string session = {};
};

struct CredentialRecord {
  Principal principal;
  int64_t created_at = 0;
};

class Credentials {
 public:
  // Both outlive this.
  Credentials(store::Store* store, certs::KeySource* keys) : store_(store), keys_(keys) {}

  // Returns the secret, which cannot be shown again. Replaces any credential of the same name.
  absl::StatusOr<std::string> Create(const Principal& principal, std::string_view author,
                                     int64_t now);
  // Without secrets, ordered by name.
  absl::StatusOr<std::vector<CredentialRecord>> List();
  absl::Status Delete(std::string_view name, std::string_view author, int64_t now);
  // `authorization` is the header's value: "Bearer ...". Unset: not authenticated.
  absl::StatusOr<std::optional<Principal>> Authenticate(std::string_view authorization);
  // At the first start: creates the admin's credential and writes it to `path`, mode 0600. Does
  // nothing at later starts. The file is written first, so that a crash in between cannot leave an
  // admin whose credential is lost.
  absl::Status EnsureFirstAdmin(const std::string& path, int64_t now);
  // Replaces the admin's credential, for an operator who has lost it and has access to the data
  // directory.
  absl::Status ResetAdmin(const std::string& path, int64_t now);

 private:
  absl::Status Store(const Principal& principal, const std::string& secret, std::string_view author,
                     int64_t now);

  store::Store* store_;
  certs::KeySource* keys_;
};

}  // namespace tulle::api
