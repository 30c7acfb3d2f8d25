#include "net/tls/peer_verification.h"

#include <chrono>

#include "certs/workload_labels.h"

namespace tulle::tls {
namespace {

using certs::VerifyFailure;

PeerIdentity Describe(const certs::PeerIdentity& peer) {
  PeerIdentity out;
  if (peer.id.has_value()) out.spiffe_id = peer.id->ToString();
  out.subject = peer.leaf.subject();
  out.issuer = peer.leaf.issuer();
  out.serial = peer.leaf.serial();
  out.certificate_sha256 = peer.leaf.sha256();
  out.labels = certs::LabelsTextOf(peer.leaf.native());
  out.dns_sans = peer.leaf.dns_sans();
  out.not_before = peer.leaf.not_before();
  out.not_after = peer.leaf.not_after();
  return out;
}

}  // namespace

bool VerifyPeer(std::span<const std::string_view> chain, PeerVerification& verification) {
  const PeerRequirements& requirements = *verification.requirements;
  if (requirements.trust == nullptr) return true;
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          verification.loop->WallNow().time_since_epoch())
                          .count();
  auto result = certs::VerifyPeer(chain, *requirements.trust, now,
                                  {.role = requirements.role,
                                   .require_spiffe = requirements.require_spiffe,
                                   .san_matchers = requirements.san_matchers});
  if (const auto* error = std::get_if<certs::VerifyError>(&result)) {
    verification.refused = error->failure;
    return false;
  }
  verification.peer =
      std::make_unique<PeerIdentity>(Describe(std::get<certs::PeerIdentity>(result)));
  return true;
}

Failure RefusalOf(VerifyFailure failure) {
  constexpr FailureKind kKind = FailureKind::kPeerRefused;
  switch (failure) {
    case VerifyFailure::kNoCertificate:
      return {kKind, "the peer presented no certificate: check that it is in the mesh"};
    case VerifyFailure::kMalformed:
      return {kKind, "the peer's certificate is malformed: reissue it"};
    case VerifyFailure::kBadSpiffeId:
      return {kKind, "the peer's certificate must have exactly one valid SPIFFE ID: reissue it"};
    case VerifyFailure::kIsAuthority:
      return {kKind, "the peer presented a CA certificate: it needs a leaf certificate"};
    case VerifyFailure::kBadUsage:
      return {kKind, "the peer's certificate forbids this use (keyUsage, extKeyUsage)"};
    case VerifyFailure::kUnknownDomain:
      return {kKind, "unknown trust domain of the peer: add its bundle to federate"};
    case VerifyFailure::kUnknownAuthority:
      return {kKind,
              "the peer's certificate is signed by an unknown CA: compare the trust bundles"};
    case VerifyFailure::kExpired:
      return {kKind, "the peer's certificate has expired: check its renewal"};
    case VerifyFailure::kNotYetValid:
      return {kKind, "the peer's certificate is not yet valid: compare the clocks"};
    case VerifyFailure::kBadSignature:
      return {kKind, "the peer's certificate has an invalid signature: reissue it"};
    case VerifyFailure::kBadChain:
      return {kKind, "the peer's certificate chain is invalid: see openssl verify"};
    case VerifyFailure::kRevoked:
      return {kKind, "the peer's certificate was revoked: the workload must join again"};
    case VerifyFailure::kNameNotAllowed:
      return {kKind, "unexpected peer identity: compare its SPIFFE ID with the policy"};
  }
  return {kKind, ""};
}

Failure RefusedByPeer() { return {FailureKind::kTlsFailed, kRefusedByPeer}; }

}  // namespace tulle::tls
