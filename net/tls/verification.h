#pragma once

#include <openssl/base.h>
#include <openssl/ssl.h>

#include <memory>
#include <optional>

#include "certs/verify_peer.h"
#include "net/base/failure.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/tls_profile.h"

namespace tulle::tls {

// The judgement of one handshake's peer: filled in while the handshake runs. Owner: the transport,
// which sets it as the SSL's app data.
struct Judgement {
  loop::Loop* loop;
  const TlsProfile* profile;
  const PeerExpectation* expectation;
  std::unique_ptr<PeerIdentity> peer;  // set when accepted
  std::optional<certs::VerifyFailure> refused;
};

// SSL_CTX_set_custom_verify's callback. REQUIRES: SSL_get_app_data is a Judgement.
ssl_verify_result_t JudgePeer(SSL* ssl, uint8_t* out_alert);

PeerIdentity Describe(const certs::PeerIdentity& peer);

// What to call a refused certificate: kPeerRefused with a detail that names the reason.
Failure RefusalOf(certs::VerifyFailure failure);
// What to call an entry of BoringSSL's error queue.
Failure FailureOfTlsError(uint32_t error);
// Whether the entry is the peer's alert about our certificate, which TLS 1.3 shows only after the
// client's handshake is through.
bool IsCertificateAlert(uint32_t error);

}  // namespace tulle::tls
