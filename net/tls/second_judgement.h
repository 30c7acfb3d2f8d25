#pragma once

#include <map>
#include <string>

#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/secure_transports.h"

namespace tulle::tls {

// Judges the peers of open connections when roots or allowed names have changed since their
// handshakes: one object for one pass over many connections, which often have the same few peers.
// Owner: the pass. Thread: the loop's.
//
// What the change does not touch is no reason to refuse: a certificate that has ended since the
// handshake is judged as of its last second.
class SecondJudgement {
 public:
  explicit SecondJudgement(loop::Loop& loop) : loop_(loop) {}

  // Whether all who passed `before` pass `after`: then nobody needs to be judged. A renewed
  // certificate of our own, a root added and a name added are such changes.
  bool Widens(const PeerTerms& before, const PeerTerms& after);
  // True for plaintext too: whether there must be TLS is not the peer's matter.
  bool Passes(const Transport& transport, const PeerTerms& terms);

 private:
  bool Verify(const std::vector<std::string_view>& chain, const PeerTerms& terms) const;

  loop::Loop& loop_;
  std::map<std::pair<const PeerTerms*, const PeerTerms*>, bool> widens_;
  std::map<std::pair<const PeerTerms*, std::string>, bool> verdicts_;  // by the whole chain
};

}  // namespace tulle::tls
