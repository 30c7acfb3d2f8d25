#include "control-plane/server/admission.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "certs/spiffe_names.h"
#include "control-plane/kubernetes/names.h"
#include "control-plane/server/guest_list.h"

namespace tulle::server {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kJoinToken = "tulle1.";

absl::StatusOr<certs::SpiffeId> IdOf(const kubernetes::ServiceAccount& account,
                                     const std::string& trust_domain) {
  const std::string path = absl::StrCat("/ns/", account.ns, "/sa/", account.name);
  if (path == certs::kControlPlanePath) {
    return absl::PermissionDeniedError(
        absl::StrCat("the service account ", account.ns, "/", account.name,
                     " is the control plane's own: workloads need another one"));
  }
  // Whoever may read by tullectl may request tokens of these.
  if (account.ns == kubernetes::kControlNamespace &&
      (account.name == kubernetes::kViewerAccount || account.name == kubernetes::kAdminAccount)) {
    return absl::PermissionDeniedError(
        absl::StrCat("the service account ", account.ns, "/", account.name,
                     " is for tullectl: workloads need another one"));
  }
  return certs::SpiffeId::Parse(certs::SpiffeUri(trust_domain, path));
}

}  // namespace

absl::StatusOr<Caller> Admission::Authenticate(const Transport& transport,
                                               std::string_view authorization) {
  const std::string address = transport.PeerAddress().host();
  if (const PeerIdentity* peer = transport.peer(); peer != nullptr && !peer->spiffe_id.empty()) {
    auto id = certs::SpiffeId::Parse(peer->spiffe_id);
    if (!id.ok()) return absl::UnauthenticatedError("the certificate has no SPIFFE ID");
    const absl::Status revoked = CheckRevoked(transport);
    if (!revoked.ok()) return revoked;
    auto services = tokens_.ServicesOf(*id);
    if (!services.ok()) return services.status();
    return Caller{*std::move(id), *std::move(services), {peer->certificate_sha256, address, ""}};
  }
  if (!authorization.starts_with(kBearer)) {
    return absl::UnauthenticatedError(
        "a certificate or a join token is required: start the sidecar with --token-file");
  }
  auto grant = tokens_.Redeem(authorization.substr(kBearer.size()), now_());
  if (!grant.ok()) return grant.status();
  return Caller{grant->id, grant->services, {"", address, ""}};
}

absl::Status Admission::CheckRevoked(const Transport& transport) const {
  if (!IsRevoked(transport)) return absl::OkStatus();
  return absl::UnauthenticatedError(
      "the certificate was revoked: join again with a new token (--token-file)");
}

bool Admission::NeedsReview(const Transport& transport, std::string_view authorization) const {
  return reviews_ != nullptr && transport.peer() == nullptr && authorization.starts_with(kBearer) &&
         !authorization.substr(kBearer.size()).starts_with(kJoinToken);
}

absl::Status Admission::CheckMayRenew(const Caller& caller) const {
  if (reviews_ == nullptr) return absl::OkStatus();
  const auto has_joined = tokens_.HasJoined(caller.id);
  if (!has_joined.ok()) return has_joined.status();
  if (*has_joined) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(caller.id.ToString(),
                   " has not joined with a join token: send the token of the service account, "
                   "without a certificate (--token-file)"));
}

absl::Status Admission::HasRoomForReview(const Transport& transport) const {
  if (reviews_->HasRoom(SourceOf(transport.PeerAddress()))) return absl::OkStatus();
  return absl::UnavailableError(
      "too many service account tokens are being reviewed: try again in a second");
}

void Admission::Review(const Transport& transport, std::string_view authorization, Reviewed done) {
  reviews_->Review(SourceOf(transport.PeerAddress()), authorization.substr(kBearer.size()),
                   [this, address = transport.PeerAddress().host(), done = std::move(done)](
                       const absl::StatusOr<kubernetes::ServiceAccount>& account) mutable {
                     if (!account.ok()) return done(account.status());
                     auto id = IdOf(*account, authority_.trust_domain());
                     if (!id.ok()) return done(id.status());
                     done(Caller{*std::move(id), {}, {"", address, account->pod_uid}});
                   });
}

bool Admission::IsRevoked(const Transport& transport) const {
  const PeerIdentity* peer = transport.peer();
  if (peer == nullptr || !authority_.HasRevoked(peer->spiffe_id)) return false;
  const std::vector<std::string_view> chain = transport.peer_chain();
  if (chain.empty()) return true;
  const auto leaf = certs::Certificate::FromDer(chain.front());
  return !leaf.ok() || authority_.IsRevoked(peer->spiffe_id, *leaf);
}

}  // namespace tulle::server
