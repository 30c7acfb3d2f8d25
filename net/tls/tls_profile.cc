// Builds an SSL_CTX from a spec: versions, ciphers, ALPN, certificate and peer verification.
#include "net/tls/tls_profile.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>

#include "absl/status/status.h"
#include "net/tls/verification.h"

namespace tulle::tls {
namespace {

// TLS 1.2, where it is allowed at all: forward secrecy and AEAD only. TLS 1.3's are fixed.
constexpr char kTls12Ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr int kCurves[] = {NID_X25519, NID_X9_62_prime256v1};
constexpr uint16_t kVerifyAlgorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA384,       SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA512};
constexpr size_t kMaxAlpnName = 255;

absl::Status Refuse(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(std::string(what));
}

absl::Status SetIdentity(SSL_CTX* ctx, const TlsIdentity& identity) {
  if (identity.chain.empty() || !certs::Matches(identity.chain.front(), identity.key.native())) {
    return Refuse(
        "the private key does not match the certificate; use the key that the certificate was "
        "issued "
        "for");
  }
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  for (const certs::Certificate& certificate : identity.chain) {
    const std::string& der = certificate.der();
    owned.emplace_back(CRYPTO_BUFFER_new(reinterpret_cast<const uint8_t*>(der.data()), der.size(),
                                         /*pool=*/nullptr));
    chain.push_back(owned.back().get());
  }
  if (!SSL_CTX_set_chain_and_key(ctx, chain.data(), chain.size(), identity.key.native(), nullptr)) {
    return Refuse("unsupported certificate or key; use P-256, Ed25519 or RSA");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeAlpn(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kMaxAlpnName) {
      return Refuse("invalid ALPN protocol name: empty or over 255 bytes; use names such as h2");
    }
    wire.push_back(static_cast<char>(name.size()));
    wire += name;
  }
  return wire;
}

}  // namespace

absl::Status TlsProfile::Configure(const TlsIdentity* identity, TlsVersion min_version,
                                   TlsVersion max_version) {
  ctx_.reset(SSL_CTX_new(TLS_with_buffers_method()));
  if (ctx_ == nullptr || min_version > max_version ||
      !SSL_CTX_set_min_proto_version(ctx_.get(), static_cast<uint16_t>(min_version)) ||
      !SSL_CTX_set_max_proto_version(ctx_.get(), static_cast<uint16_t>(max_version)) ||
      !SSL_CTX_set_strict_cipher_list(ctx_.get(), kTls12Ciphers) ||
      !SSL_CTX_set1_curves(ctx_.get(), kCurves, std::size(kCurves)) ||
      !SSL_CTX_set_verify_algorithm_prefs(ctx_.get(), kVerifyAlgorithms,
                                          std::size(kVerifyAlgorithms))) {
    return Refuse("invalid TLS versions: the minimum must not exceed the maximum");
  }
  SSL_CTX_set_options(ctx_.get(), SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(ctx_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx_.get(), SSL_MODE_NO_AUTO_CHAIN);
  return identity == nullptr ? absl::OkStatus() : SetIdentity(ctx_.get(), *identity);
}

absl::StatusOr<std::shared_ptr<const TlsProfile>> TlsProfile::ForServer(const ServerTlsSpec& spec) {
  std::shared_ptr<TlsProfile> profile(new TlsProfile);
  if (spec.identity == nullptr) {
    return Refuse("a TLS server requires a certificate and key; set them in the listener");
  }
  if (auto done = profile->Configure(spec.identity.get(), spec.min_version, spec.max_version);
      !done.ok()) {
    return done;
  }
  profile->requirements_ = RequirementsOf(spec);
  profile->alpn_ = spec.alpn;
  profile->handshake_timeout_ = spec.handshake_timeout;
  SSL_CTX* ctx = profile->ctx_.get();
  if (spec.trust != nullptr) {
    const int require = spec.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER | require, VerifyPeerCallback);
  }
  SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, profile.get());
  return profile;
}

absl::StatusOr<std::shared_ptr<const TlsProfile>> TlsProfile::ForClient(const ClientTlsSpec& spec) {
  std::shared_ptr<TlsProfile> profile(new TlsProfile);
  if (auto done = profile->Configure(spec.identity.get(), spec.min_version, spec.max_version);
      !done.ok()) {
    return done;
  }
  profile->requirements_ = RequirementsOf(spec);
  profile->sni_ = spec.sni;
  profile->handshake_timeout_ = spec.handshake_timeout;
  SSL_CTX* ctx = profile->ctx_.get();
  SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, VerifyPeerCallback);
  const auto alpn = EncodeAlpn(spec.alpn);
  if (!alpn.ok()) return alpn.status();
  // Returns 0 on success, unlike its neighbours.
  if (!alpn->empty() && SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>(alpn->data()),
                                                static_cast<unsigned>(alpn->size())) != 0) {
    return Refuse("invalid list of ALPN protocols");
  }
  return profile;
}

int TlsProfile::SelectAlpn(SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t* offered,
                           unsigned offered_length, void* profile) {
  const std::string_view list(reinterpret_cast<const char*>(offered), offered_length);
  for (const std::string& ours : static_cast<const TlsProfile*>(profile)->alpn_) {
    for (size_t at = 0; at < list.size();) {
      const size_t length = static_cast<uint8_t>(list[at]);
      if (list.substr(at + 1, length) == ours) {
        *out = offered + at + 1;
        *out_length = static_cast<uint8_t>(length);
        return SSL_TLSEXT_ERR_OK;
      }
      at += 1 + length;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace tulle::tls
