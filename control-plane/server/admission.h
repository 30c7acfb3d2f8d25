// Who calls, and what they may register: proved by a certificate of the mesh or by a join token.
// Owner: ControlPlane. Thread: the loop's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/spiffe_id.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "net/socket/transport.h"

namespace tulle::server {

// Proved by its SVID or its join token.
struct Caller {
  certs::SpiffeId id;
  std::vector<std::string> services;  // NAMESPACE/NAME; what it may register
  ca::MeshAuthority::Asker asker = {};
};

class Admission {
 public:
  // References outlive this; `now` gives seconds since the epoch.
  Admission(ca::JoinTokens& tokens, const ca::MeshAuthority& authority,
            std::function<int64_t()> now)
      : tokens_(tokens), authority_(authority), now_(std::move(now)) {}

  // kUnauthenticated without a valid proof. `authorization` is the header's value, it may be empty.
  absl::StatusOr<Caller> Authenticate(const Transport& transport, std::string_view authorization);
  // Whether the caller's certificate was revoked after its handshake. Costs a lookup unless its
  // identity has revoked certificates.
  bool IsRevoked(const Transport& transport) const;
  // The same as an error for the caller, which names the next step.
  absl::Status CheckRevoked(const Transport& transport) const;

 private:
  ca::JoinTokens& tokens_;
  const ca::MeshAuthority& authority_;
  std::function<int64_t()> now_;
};

}  // namespace tulle::server
