// Join tokens: how a workload that has nothing yet proves who it is (standalone).
//
// Text: "tulle1." ROOT-KEY-HASH "." SECRET, both lower-case hex. The first half lets the sidecar
// pin the control plane at first contact, before it has a trust bundle; the second is 32 random
// bytes. At rest there is only the secret's SHA-256: the secret has full entropy, so a slow hash
// would add nothing. Thread: the store's. Times in seconds since the epoch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "control-plane/store/store.h"

namespace tulle::ca {

struct TokenParts {
  std::string root_key_hash;  // SHA-256 of the root's public key (SubjectPublicKeyInfo), hex
  std::string secret;
};

std::optional<TokenParts> ParseJoinToken(std::string_view token);

// What a token stands for.
struct TokenGrant {
  certs::SpiffeId id;
  std::vector<std::string> services;  // NAMESPACE/NAME; what workloads of this ID may register
  int64_t expires_at = 0;
};

// An attempt to join that was refused: for whoever asks what is wrong.
struct RefusedJoin {
  int64_t expired_at = 0;  // of the token; 0: it is not known, or no more
  int64_t last_tried = 0;
};

// A token that was made, without what would let one use it.
struct TokenRecord {
  std::string id;  // the beginning of its secret's hash
  TokenGrant grant;
  int64_t created_at = 0;
};

class JoinTokens {
 public:
  // Both outlive this.
  JoinTokens(store::Store* store, certs::KeySource* keys) : store_(store), keys_(keys) {}

  // The token's text, shown once and never again. Also remembers the services of the identity,
  // which hold as long as the identity is used, beyond the token's end.
  absl::StatusOr<std::string> Create(const TokenGrant& grant, std::string_view root_key_hash,
                                     std::string_view author, int64_t now);
  // kUnauthenticated unless the token is known and not expired. May be used until it expires: a
  // workload that has lost its state comes back with it.
  absl::StatusOr<TokenGrant> Redeem(std::string_view token, int64_t now);
  // Services of an identity that has proved itself by its SVID; if none are known: the account's
  // own name. Read from the store once for each identity.
  absl::StatusOr<std::vector<std::string>> ServicesOf(const certs::SpiffeId& id);
  // Whether a workload of this identity has ever joined with a token.
  absl::StatusOr<bool> HasJoined(const certs::SpiffeId& id) const;
  // When the last token expires; 0: there is none.
  absl::StatusOr<int64_t> LatestExpiry();
  // Those that have been expired for a week: until then an attempt with one can be named.
  absl::Status DeleteExpired(int64_t now);
  // By SPIFFE ID, since the start, until that identity joins; under "" all with tokens that are not
  // known.
  const std::map<std::string, RefusedJoin>& refused() const { return refused_; }
  // Those that have not expired.
  absl::StatusOr<std::vector<TokenRecord>> List(int64_t now);
  // No workload can join with it any more; those that have joined stay. kNotFound, or
  // kInvalidArgument if `id` is not an id.
  absl::StatusOr<TokenRecord> Revoke(std::string_view id, std::string_view author, int64_t now);
  // All of an identity that have not expired; returns how many there were.
  absl::StatusOr<size_t> RevokeAll(const certs::SpiffeId& id, std::string_view author, int64_t now);

 private:
  store::Store* store_;
  certs::KeySource* keys_;
  std::map<std::string, RefusedJoin> refused_;
  std::map<std::string, std::vector<std::string>> services_;  // read before, by SPIFFE ID
};

// SHA-256 as lower-case hex; for secrets of full entropy.
std::string HashOfSecret(std::string_view secret);
// In time that depends on the lengths alone (faults.md 89).
bool EqualInConstantTime(std::string_view a, std::string_view b);
// 32 random bytes as lower-case hex.
std::string NewSecret(certs::KeySource* keys);

}  // namespace tulle::ca
