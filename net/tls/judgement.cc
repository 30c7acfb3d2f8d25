#include "net/tls/judgement.h"

#include <chrono>

namespace tulle::tls {
namespace {

using certs::VerifyFailure;

PeerIdentity Describe(const certs::PeerIdentity& peer) {
  PeerIdentity out;
  if (peer.id.has_value()) out.spiffe_id = peer.id->ToString();
  out.subject = peer.leaf.subject();
  out.certificate_sha256 = peer.leaf.sha256();
  out.dns_sans = peer.leaf.dns_sans();
  out.not_after = peer.leaf.not_after();
  return out;
}

}  // namespace

bool Judge(std::span<const std::string_view> chain, Judgement& judgement) {
  const PeerTerms& terms = *judgement.terms;
  if (terms.trust == nullptr) return true;
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(judgement.loop->WallNow().time_since_epoch())
          .count();
  auto result = certs::VerifyPeer(chain, *terms.trust, now,
                                  {.role = terms.role,
                                   .require_spiffe = terms.require_spiffe,
                                   .san_matchers = terms.san_matchers});
  if (const auto* error = std::get_if<certs::VerifyError>(&result)) {
    judgement.refused = error->failure;
    return false;
  }
  judgement.peer = std::make_unique<PeerIdentity>(Describe(std::get<certs::PeerIdentity>(result)));
  return true;
}

Failure RefusalOf(VerifyFailure failure) {
  constexpr FailureKind kKind = FailureKind::kPeerRefused;
  switch (failure) {
    case VerifyFailure::kNoCertificate:
      return {kKind, "the peer presented no certificate: is it in the mesh?"};
    case VerifyFailure::kMalformed:
      return {kKind, "the peer's certificate is malformed: issue it anew"};
    case VerifyFailure::kBadSpiffeId:
      return {kKind, "the peer's certificate has not exactly one valid SPIFFE ID: issue it anew"};
    case VerifyFailure::kIsAuthority:
      return {kKind, "the peer authenticates with a signing certificate: give it a leaf"};
    case VerifyFailure::kBadUsage:
      return {kKind, "the peer's certificate forbids this use (keyUsage, extKeyUsage)"};
    case VerifyFailure::kUnknownDomain:
      return {kKind, "no roots for the peer's trust domain: federate with it"};
    case VerifyFailure::kUnknownAuthority:
      return {kKind, "the peer's certificate is from an unknown CA: compare the trust bundles"};
    case VerifyFailure::kExpired:
      return {kKind, "the peer's certificate has expired: is its renewal stuck?"};
    case VerifyFailure::kNotYetValid:
      return {kKind, "the peer's certificate is not yet valid: compare the clocks"};
    case VerifyFailure::kBadSignature:
      return {kKind, "the peer's certificate has a bad signature: issue it anew"};
    case VerifyFailure::kBadChain:
      return {kKind, "the peer's certificate chain is invalid: see openssl verify"};
    case VerifyFailure::kNameNotAllowed:
      return {kKind, "the peer is not the one expected: compare its SPIFFE ID with the policy"};
  }
  return {kKind, ""};
}

Failure RefusedByPeer() {
  return {FailureKind::kTlsFailed,
          "the peer refused our certificate (TLS alert): compare trust bundles and policies"};
}

}  // namespace tulle::tls
