#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "certs/san_matcher.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"
#include "net/base/failure.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::tls {

// How peers are judged by one spec. Immutable.
struct PeerRules {
  std::shared_ptr<const certs::TrustBundle> trust;  // null: peers are not judged
  bool require_spiffe = true;
  certs::PeerRole role = certs::PeerRole::kClient;
};

// Whom a transport expects at the other end. Immutable.
struct PeerExpectation {
  std::vector<certs::SanMatcher> san_matchers;
  std::string sni;  // client only
};

// The judgement of one handshake's peer, filled in while the handshake runs. Owner: the transport.
struct Judgement {
  loop::Loop* loop;
  const PeerRules* rules;
  const PeerExpectation* expectation;
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
