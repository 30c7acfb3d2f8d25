#pragma once

#include <openssl/base.h>
#include <openssl/ssl.h>

#include <string_view>
#include <vector>

#include "net/base/failure.h"
#include "net/tls/judgement.h"

namespace tulle::tls {

// SSL_CTX_set_custom_verify's callback. REQUIRES: SSL_get_app_data is a Judgement.
ssl_verify_result_t JudgePeer(SSL* ssl, uint8_t* out_alert);

// What the peer has presented: DER, leaf first; at most one certificate more than VerifyPeer takes.
std::vector<std::string_view> PresentedChain(const SSL* ssl);

// What to call an entry of BoringSSL's error queue.
Failure FailureOfTlsError(uint32_t error);
// Whether the entry is the peer's alert about our certificate, which TLS 1.3 shows only after the
// client's handshake is through.
bool IsCertificateAlert(uint32_t error);

}  // namespace tulle::tls
