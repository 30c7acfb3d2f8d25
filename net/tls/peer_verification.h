#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "certs/verify_peer.h"
#include "net/base/failure.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/secure_transports.h"

namespace tulle::tls {

// The verification of the peer of one handshake, filled in while the handshake runs. Owner: the
// transport.
struct PeerVerification {
  loop::Loop* loop;
  const PeerRequirements* requirements;
  std::unique_ptr<PeerIdentity> peer;  // set when verified and accepted
  std::optional<certs::VerifyFailure> refused;
};

// Verifies the chain (DER, leaf first) at the loop's wall time; false: refused.
bool VerifyPeer(std::span<const std::string_view> chain, PeerVerification& verification);

// The failure for a refused certificate: kPeerRefused with a detail that names the reason.
Failure RefusalOf(certs::VerifyFailure failure);
// The failure when the peer refused our certificate.
Failure RefusedByPeer();

}  // namespace tulle::tls
