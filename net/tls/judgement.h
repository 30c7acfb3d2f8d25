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

// The judgement of one handshake's peer, filled in while the handshake runs. Owner: the transport.
struct Judgement {
  loop::Loop* loop;
  const PeerTerms* terms;
  std::unique_ptr<PeerIdentity> peer;  // set when judged and accepted
  std::optional<certs::VerifyFailure> refused;
};

// Judges the chain (DER, leaf first) at the loop's wall time; false: refused.
bool Judge(std::span<const std::string_view> chain, Judgement& judgement);

// What to call a refused certificate: kPeerRefused with a detail that names the reason.
Failure RefusalOf(certs::VerifyFailure failure);
// The peer has refused ours.
Failure RefusedByPeer();

}  // namespace tulle::tls
