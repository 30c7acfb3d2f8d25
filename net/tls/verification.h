#pragma once

#include <openssl/base.h>
#include <openssl/ssl.h>

#include <string_view>
#include <vector>

#include "net/base/failure.h"
#include "net/tls/peer_verification.h"

namespace tulle::tls {

// SSL_CTX_set_custom_verify's callback. REQUIRES: SSL_get_app_data is a PeerVerification.
ssl_verify_result_t VerifyPeerCallback(SSL* ssl, uint8_t* out_alert);

// The chain that the peer presented: DER, leaf first; at most one certificate more than VerifyPeer
// accepts.
std::vector<std::string_view> PresentedChain(const SSL* ssl);

// The failure for an entry of BoringSSL's error queue.
Failure FailureOfTlsError(uint32_t error);
// Whether the entry is the peer's alert about our certificate. With TLS 1.3 a client sees it only
// after its handshake has completed.
bool IsCertificateAlert(uint32_t error);

}  // namespace tulle::tls
