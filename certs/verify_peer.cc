// The rules by which a peer's certificate chain is accepted or refused, one function per rule.
#include "certs/verify_peer.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tulle::certs {
namespace {

constexpr std::size_t kMaxChainLength = 10;
constexpr std::uint32_t kNoUsageLimit = 0xffffffff;  // X509_get_key_usage without the extension

using Verdict = std::optional<VerifyError>;

VerifyError Fail(VerifyFailure failure, std::string detail) {
  ERR_clear_error();
  return {failure, std::move(detail)};
}

bool LooksLikeSpiffe(std::string_view uri) {
  constexpr std::string_view kScheme = "spiffe:";
  if (uri.size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if ((uri[i] | 0x20) != (kScheme[i] | 0x20)) return false;
  }
  return true;
}

bool ClaimsSpiffe(const Certificate& leaf) {
  for (const std::string& uri : leaf.uri_sans()) {
    if (LooksLikeSpiffe(uri)) return true;
  }
  return false;
}

std::variant<SpiffeId, VerifyError> ReadSpiffeId(const Certificate& leaf) {
  if (leaf.uri_sans().size() != 1) {
    return Fail(VerifyFailure::kBadSpiffeId,
                "the peer's certificate has " + std::to_string(leaf.uri_sans().size()) +
                    " URI SANs, an SVID has exactly one; reissue it with one SPIFFE ID");
  }
  const std::string& uri = leaf.uri_sans().front();
  auto id = SpiffeId::Parse(uri);
  if (!id.ok()) return Fail(VerifyFailure::kBadSpiffeId, std::string(id.status().message()));
  if (id->ToString() != uri || id->path().empty()) {
    return Fail(VerifyFailure::kBadSpiffeId,
                "the peer's SPIFFE ID has no path or an upper-case scheme; a workload's is "
                "spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT");
  }
  return *std::move(id);
}

Verdict CheckSvidUsage(const Certificate& leaf) {
  X509* x509 = leaf.native();
  const std::uint32_t usage = X509_get_key_usage(x509);
  if (leaf.is_ca() || (usage != kNoUsageLimit && (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)) {
    return Fail(VerifyFailure::kIsAuthority,
                "the peer presented a CA certificate; it needs a leaf certificate");
  }
  if (usage != kNoUsageLimit && (usage & KU_DIGITAL_SIGNATURE) == 0) {
    return Fail(
        VerifyFailure::kBadUsage,
        "the peer's certificate may not sign (keyUsage lacks digitalSignature); reissue it");
  }
  const std::uint32_t extended = X509_get_extended_key_usage(x509);
  constexpr std::uint32_t kBoth = XKU_SSL_SERVER | XKU_SSL_CLIENT;
  if (extended != kNoUsageLimit && (extended & kBoth) != kBoth) {
    return Fail(VerifyFailure::kBadUsage,
                "the peer's certificate limits its use to one side (extKeyUsage must have both "
                "serverAuth and clientAuth); reissue it");
  }
  if (X509_NAME_entry_count(X509_get_subject_name(x509)) == 0 && !leaf.san_is_critical()) {
    return Fail(
        VerifyFailure::kMalformed,
        "the peer's certificate has an empty subject and a SAN that is not critical; reissue it");
  }
  return std::nullopt;
}

VerifyFailure FailureOf(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return VerifyFailure::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return VerifyFailure::kNotYetValid;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return VerifyFailure::kUnknownAuthority;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return VerifyFailure::kBadSignature;
    case X509_V_ERR_INVALID_PURPOSE:
      return VerifyFailure::kBadUsage;
    default:
      return VerifyFailure::kBadChain;
  }
}

bssl::UniquePtr<STACK_OF(X509)> StackOf(const std::vector<Certificate>& intermediates) {
  bssl::UniquePtr<STACK_OF(X509)> stack(sk_X509_new_null());
  for (const Certificate& certificate : intermediates) {
    bssl::PushToStack(stack.get(), bssl::UpRef(certificate.native()));
  }
  return stack;
}

Verdict CheckPath(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                  const RootSet& roots, std::int64_t now, PeerRole role) {
  bssl::UniquePtr<STACK_OF(X509)> untrusted = StackOf(intermediates);
  bssl::UniquePtr<X509_STORE_CTX> path(X509_STORE_CTX_new());
  if (path == nullptr ||
      !X509_STORE_CTX_init(path.get(), roots.store.get(), leaf.native(), untrusted.get()) ||
      !X509_STORE_CTX_set_purpose(path.get(), role == PeerRole::kClient
                                                  ? X509_PURPOSE_SSL_CLIENT
                                                  : X509_PURPOSE_SSL_SERVER)) {
    return Fail(VerifyFailure::kBadChain, "cannot start path validation; possibly out of memory");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(path.get());
  X509_VERIFY_PARAM_set_time(parameters, now);
  X509_VERIFY_PARAM_set_depth(parameters, kMaxChainLength);
  // A bundle may anchor at an intermediate.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_verify_cert(path.get()) == 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  const int error = X509_STORE_CTX_get_error(path.get());
  return Fail(FailureOf(error),
              "the peer's certificate chain was rejected (" +
                  std::string(X509_verify_cert_error_string(error)) + " at depth " +
                  std::to_string(X509_STORE_CTX_get_error_depth(path.get())) +
                  "); compare its issuer and validity with the trust bundle and the clocks");
}

std::variant<std::vector<Certificate>, VerifyError> ParseChain(
    std::span<const std::string_view> chain) {
  if (chain.empty()) {
    return Fail(VerifyFailure::kNoCertificate,
                "the peer presented no certificate; check that it is in the mesh");
  }
  if (chain.size() > kMaxChainLength) {
    return Fail(VerifyFailure::kBadChain, "the peer presented more than 10 certificates");
  }
  std::vector<Certificate> parsed;
  for (const std::string_view der : chain) {
    auto certificate = Certificate::FromDer(der);
    if (!certificate.ok()) {
      return Fail(VerifyFailure::kMalformed, std::string(certificate.status().message()));
    }
    parsed.push_back(*std::move(certificate));
  }
  return parsed;
}

Verdict CheckPeer(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                  const TrustBundle& bundle, std::int64_t now, const VerifyRules& rules,
                  std::optional<SpiffeId>* id) {
  if (rules.require_spiffe || ClaimsSpiffe(leaf)) {
    auto read = ReadSpiffeId(leaf);
    if (auto* error = std::get_if<VerifyError>(&read)) return std::move(*error);
    if (auto error = CheckSvidUsage(leaf)) return error;
    *id = std::get<SpiffeId>(std::move(read));
  }
  const RootSet* roots =
      id->has_value() ? bundle.RootsFor((*id)->trust_domain()) : bundle.RootsForUnnamed();
  if (roots == nullptr || roots->certificates.empty()) {
    return Fail(VerifyFailure::kUnknownDomain,
                "unknown trust domain: no roots for the peer's trust domain" +
                    (id->has_value() ? " " + std::string((*id)->trust_domain()) : std::string()) +
                    "; add its bundle to federate, or check the peer's identity");
  }
  if (auto error = CheckPath(leaf, intermediates, *roots, now, rules.role)) return error;
  const RevocationList& revocations = bundle.revocations();
  if (revocations.Contains(leaf) ||
      std::any_of(intermediates.begin(), intermediates.end(),
                  [&](const Certificate& each) { return revocations.Contains(each); })) {
    return Fail(VerifyFailure::kRevoked,
                "the peer's certificate was revoked; if the workload should be in the mesh, it "
                "must join again with a new token");
  }
  if (!MatchesAny(rules.san_matchers, leaf)) {
    return Fail(VerifyFailure::kNameNotAllowed,
                "unexpected peer identity: " +
                    (id->has_value() ? (*id)->ToString() : "subject '" + leaf.subject() + "'") +
                    "; compare it with the allowed subject alternative names");
  }
  return std::nullopt;
}

}  // namespace

VerifyResult VerifyPeer(std::span<const std::string_view> chain, const TrustBundle& bundle,
                        std::int64_t now, const VerifyRules& rules) {
  auto parsed = ParseChain(chain);
  if (auto* error = std::get_if<VerifyError>(&parsed)) return std::move(*error);
  auto& certificates = std::get<std::vector<Certificate>>(parsed);
  Certificate leaf = certificates.front();
  certificates.erase(certificates.begin());
  std::optional<SpiffeId> id;
  if (auto error = CheckPeer(leaf, certificates, bundle, now, rules, &id)) return *std::move(error);
  return PeerIdentity{std::move(id), std::move(leaf)};
}

std::string_view ToString(VerifyFailure failure) {
  switch (failure) {
    case VerifyFailure::kNoCertificate:
      return "no_certificate";
    case VerifyFailure::kMalformed:
      return "malformed_certificate";
    case VerifyFailure::kBadSpiffeId:
      return "bad_spiffe_id";
    case VerifyFailure::kIsAuthority:
      return "signing_certificate";
    case VerifyFailure::kBadUsage:
      return "bad_key_usage";
    case VerifyFailure::kUnknownDomain:
      return "unknown_trust_domain";
    case VerifyFailure::kUnknownAuthority:
      return "unknown_authority";
    case VerifyFailure::kExpired:
      return "expired";
    case VerifyFailure::kNotYetValid:
      return "not_yet_valid";
    case VerifyFailure::kBadSignature:
      return "bad_signature";
    case VerifyFailure::kBadChain:
      return "bad_chain";
    case VerifyFailure::kRevoked:
      return "revoked";
    case VerifyFailure::kNameNotAllowed:
      return "name_not_allowed";
  }
  return "unknown";
}

}  // namespace tulle::certs
