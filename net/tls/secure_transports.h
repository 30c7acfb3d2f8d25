#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/san_matcher.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"
#include "net/base/buffer.h"
#include "net/socket/transports.h"
#include "net/tls/tls_spec.h"

// The seam of secure transports: real TLS (tls_transports.h) or the simulator's
// (sim_transports.h). The composition root picks one; nobody else knows which it is.
//
// Acceptors and connectors are immutable and shared by workers; the transports that they make hold
// on to what they need. A changed certificate or bundle is a new acceptor or connector; whether the
// peers of open connections pass by it is asked of SecondJudgement.
namespace tulle::tls {

// Whom one side takes as its peer. Immutable; its holder's life long.
struct PeerTerms {
  std::shared_ptr<const certs::TrustBundle> trust;  // null: peers are not judged
  bool require_spiffe = true;
  bool require_certificate = true;
  certs::PeerRole role = certs::PeerRole::kClient;
  std::vector<certs::SanMatcher> san_matchers;  // any of; empty: any name
};

inline PeerTerms TermsOf(const ServerTlsSpec& spec) {
  return {spec.trust, spec.require_spiffe, spec.require_client_certificate,
          certs::PeerRole::kClient, spec.san_matchers};
}
inline PeerTerms TermsOf(const ClientTlsSpec& spec) {
  return {spec.trust, spec.require_spiffe, true, certs::PeerRole::kServer, spec.san_matchers};
}

class SecureAcceptor : public TransportAcceptor {
 public:
  explicit SecureAcceptor(PeerTerms terms = {}) : terms_(std::move(terms)) {}
  const PeerTerms& terms() const { return terms_; }
  std::unique_ptr<Transport> Accept(loop::Loop& loop,
                                    std::unique_ptr<loop::Socket> socket) const final {
    return Accept(loop, std::move(socket), Buffer(loop.slab()));
  }
  // For who looked at the ClientHello first: `already_read` is what was taken from the socket.
  virtual std::unique_ptr<Transport> Accept(loop::Loop& loop, std::unique_ptr<loop::Socket> socket,
                                            Buffer already_read) const = 0;

 private:
  const PeerTerms terms_;
};

class SecureConnector : public TransportConnector {
 public:
  explicit SecureConnector(PeerTerms terms = {}) : terms_(std::move(terms)) {}
  const PeerTerms& terms() const { return terms_; }

 private:
  const PeerTerms terms_;
};

class SecureTransports {
 public:
  virtual ~SecureTransports() = default;
  // Fail when the key is not the certificate's, or a spec contradicts itself.
  virtual absl::StatusOr<std::shared_ptr<const SecureAcceptor>> NewAcceptor(
      ServerTlsSpec spec) const = 0;
  virtual absl::StatusOr<std::shared_ptr<const SecureConnector>> NewConnector(
      ClientTlsSpec spec) const = 0;
};

}  // namespace tulle::tls
