// Who calls, and what they may register: proved by a certificate of the mesh, by a join token, or
// by a service account's token, which the Kubernetes API reviews. Owner: ControlPlane. Thread: the
// loop's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "certs/spiffe_id.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/kubernetes/token_reviews.h"
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

  // Null: there is no Kubernetes, its tokens are refused. It outlives this or is taken back.
  void SetReviews(kubernetes::TokenReviews* reviews) { reviews_ = reviews; }
  // The caller has nothing but a service account's token: only Review() can tell who that is.
  bool NeedsReview(const Transport& transport, std::string_view authorization) const;
  // For a caller that presents a certificate. kPermissionDenied: its identity is that of pods,
  // which get certificates for the token of their service account alone: otherwise whoever has
  // copied a key once could renew its certificate after the pod and its account are gone.
  absl::Status CheckMayRenew(const Caller& caller) const;
  // kUnavailable: too many reviews are under way, of this address or altogether.
  absl::Status HasRoomForReview(const Transport& transport) const;
  // REQUIRES: NeedsReview(). `done` runs later, or never if the control plane ends before.
  using Reviewed = absl::AnyInvocable<void(absl::StatusOr<Caller>)>;
  void Review(const Transport& transport, std::string_view authorization, Reviewed done);

  // Whether the caller's certificate was revoked after its handshake. Costs a lookup unless its
  // identity has revoked certificates.
  bool IsRevoked(const Transport& transport) const;
  // The same as an error for the caller, which names the next step.
  absl::Status CheckRevoked(const Transport& transport) const;

 private:
  ca::JoinTokens& tokens_;
  const ca::MeshAuthority& authority_;
  std::function<int64_t()> now_;
  kubernetes::TokenReviews* reviews_ = nullptr;
};

}  // namespace tulle::server
