#include "control-plane/server/admission.h"

#include <utility>

#include "absl/status/status.h"
#include "certs/certificate.h"

namespace tulle::server {
namespace {

constexpr std::string_view kBearer = "Bearer ";

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
    return Caller{*std::move(id), *std::move(services), {peer->certificate_sha256, address}};
  }
  if (!authorization.starts_with(kBearer)) {
    return absl::UnauthenticatedError(
        "a certificate or a join token is required: start the sidecar with --token-file");
  }
  auto grant = tokens_.Redeem(authorization.substr(kBearer.size()), now_());
  if (!grant.ok()) return grant.status();
  return Caller{grant->id, grant->services, {"", address}};
}

absl::Status Admission::CheckRevoked(const Transport& transport) const {
  if (!IsRevoked(transport)) return absl::OkStatus();
  return absl::UnauthenticatedError(
      "the certificate was revoked: join again with a new token (--token-file)");
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
