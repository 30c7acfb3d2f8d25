// Bearer credentials of people and tools that use the API: admin may change, reader may look.
// At rest only SHA-256 of the secret (32 random bytes), compared in constant time.
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
};

struct CredentialRecord {
  Principal principal;
  int64_t created_at = 0;
};

class Credentials {
 public:
  // Both outlive this.
  Credentials(store::Store* store, certs::KeySource* keys) : store_(store), keys_(keys) {}

  // The credential's text, shown once. Names are unique: a second one of a name replaces the first.
  absl::StatusOr<std::string> Create(const Principal& principal, std::string_view author,
                                     int64_t now);
  // Without secrets, ordered by name.
  absl::StatusOr<std::vector<CredentialRecord>> List();
  absl::Status Delete(std::string_view name, std::string_view author, int64_t now);
  // `authorization` is the header's value: "Bearer ...". Absent: nobody.
  absl::StatusOr<std::optional<Principal>> Authenticate(std::string_view authorization);
  // At the first start: makes the admin's credential and writes it to `path`, mode 0600. Later
  // starts do nothing. The file comes first: a crash in between leaves no admin whose credential
  // nobody has.
  absl::Status EnsureFirstAdmin(const std::string& path, int64_t now);
  // The same whatever there is: the way back for who has no credential any more, and may write the
  // data directory.
  absl::Status ResetAdmin(const std::string& path, int64_t now);

 private:
  absl::Status Store(const Principal& principal, const std::string& secret, std::string_view author,
                     int64_t now);

  store::Store* store_;
  certs::KeySource* keys_;
};

}  // namespace tulle::api
