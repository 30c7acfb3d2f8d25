// BoringSSL's verification callback, and the failures for its errors and alerts.
#include "net/tls/verification.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/stack.h>

#include <string_view>

namespace tulle::tls {
namespace {

using certs::VerifyFailure;

// VerifyPeer refuses longer chains; it is given one certificate more than it accepts.
constexpr size_t kMaxChain = 11;

uint8_t AlertOf(VerifyFailure failure) {
  switch (failure) {
    case VerifyFailure::kNoCertificate:
      return SSL_AD_CERTIFICATE_REQUIRED;
    case VerifyFailure::kExpired:
    case VerifyFailure::kNotYetValid:
      return SSL_AD_CERTIFICATE_EXPIRED;
    case VerifyFailure::kRevoked:
      return SSL_AD_CERTIFICATE_REVOKED;
    case VerifyFailure::kUnknownDomain:
    case VerifyFailure::kUnknownAuthority:
      return SSL_AD_UNKNOWN_CA;
    case VerifyFailure::kIsAuthority:
    case VerifyFailure::kBadUsage:
      return SSL_AD_UNSUPPORTED_CERTIFICATE;
    case VerifyFailure::kNameNotAllowed:
      return SSL_AD_ACCESS_DENIED;
    case VerifyFailure::kMalformed:
    case VerifyFailure::kBadSpiffeId:
    case VerifyFailure::kBadSignature:
    case VerifyFailure::kBadChain:
      return SSL_AD_BAD_CERTIFICATE;
  }
  return SSL_AD_CERTIFICATE_UNKNOWN;
}

constexpr int AlertReason(int alert) { return SSL_AD_REASON_OFFSET + alert; }

}  // namespace

std::vector<std::string_view> PresentedChain(const SSL* ssl) {
  std::vector<std::string_view> chain;
  const STACK_OF(CRYPTO_BUFFER)* presented = SSL_get0_peer_certificates(ssl);
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(presented) && i < kMaxChain; ++i) {
    const CRYPTO_BUFFER* der = sk_CRYPTO_BUFFER_value(presented, i);
    chain.emplace_back(reinterpret_cast<const char*>(CRYPTO_BUFFER_data(der)),
                       CRYPTO_BUFFER_len(der));
  }
  return chain;
}

ssl_verify_result_t VerifyPeerCallback(SSL* ssl, uint8_t* out_alert) {
  auto& verification = *static_cast<PeerVerification*>(SSL_get_app_data(ssl));
  if (VerifyPeer(PresentedChain(ssl), verification)) return ssl_verify_ok;
  *out_alert = AlertOf(*verification.refused);
  return ssl_verify_invalid;
}

bool IsCertificateAlert(uint32_t error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  switch (ERR_GET_REASON(error)) {
    case AlertReason(SSL_AD_BAD_CERTIFICATE):
    case AlertReason(SSL_AD_UNSUPPORTED_CERTIFICATE):
    case AlertReason(SSL_AD_CERTIFICATE_REVOKED):
    case AlertReason(SSL_AD_CERTIFICATE_EXPIRED):
    case AlertReason(SSL_AD_CERTIFICATE_UNKNOWN):
    case AlertReason(SSL_AD_UNKNOWN_CA):
    case AlertReason(SSL_AD_ACCESS_DENIED):
    case AlertReason(SSL_AD_CERTIFICATE_REQUIRED):
      return true;
    default:
      return false;
  }
}

Failure FailureOfTlsError(uint32_t error) {
  if (IsCertificateAlert(error)) return RefusedByPeer();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_UNEXPECTED_RECORD:
      return {FailureKind::kTlsFailed, "the peer does not speak TLS on this port"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case AlertReason(SSL_AD_PROTOCOL_VERSION):
      return {FailureKind::kTlsFailed, "no common TLS version: the mesh requires 1.3"};
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUP:
    case AlertReason(SSL_AD_HANDSHAKE_FAILURE):
      return {FailureKind::kTlsFailed, "no common TLS parameters with the peer"};
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return RefusalOf(VerifyFailure::kNoCertificate);
    case SSL_R_BAD_SIGNATURE:
      return {FailureKind::kPeerRefused, "the peer does not hold the key of its certificate"};
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return {FailureKind::kTlsFailed, "bad TLS record: damaged in transit"};
    default:
      return {FailureKind::kTlsFailed, "TLS protocol error"};
  }
}

}  // namespace tulle::tls
