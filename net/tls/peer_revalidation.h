#pragma once

#include <map>
#include <string>

#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/secure_transports.h"

namespace tulle::tls {

// Checks the peers of open connections again after roots or allowed names have changed since their
// handshakes. One object serves one pass over many connections, which often have the same few
// peers. Owner: the pass. Thread: the loop's.
//
// A peer is only refused for what the change affects: a certificate that has expired since the
// handshake is checked as of its last second.
class PeerRevalidation {
 public:
  explicit PeerRevalidation(loop::Loop& loop) : loop_(loop) {}

  // Whether every peer accepted by `before` is accepted by `after`, so that no peer needs to be
  // checked. True when our own certificate is renewed or a root or a name is added.
  bool Widens(const PeerRequirements& before, const PeerRequirements& after);
  // True for plaintext too: whether TLS is required is decided elsewhere.
  bool Passes(const Transport& transport, const PeerRequirements& requirements);

 private:
  bool Verify(const std::vector<std::string_view>& chain,
              const PeerRequirements& requirements) const;

  loop::Loop& loop_;
  std::map<std::pair<const PeerRequirements*, const PeerRequirements*>, bool> widens_;
  std::map<std::pair<const PeerRequirements*, std::string>, bool> verdicts_;  // by the whole chain
};

}  // namespace tulle::tls
