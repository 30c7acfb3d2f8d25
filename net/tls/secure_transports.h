#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/san_matcher.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"
#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/socket/transports.h"
#include "net/tls/tls_spec.h"

// The seam of secure transports: real TLS (tls_transports.h) or the simulator's (sim_transports.h).
// The composition root picks one; all other code is independent of the choice.
//
// Acceptors and connectors are immutable and shared by workers; their transports keep what they
// need alive. A changed certificate or bundle is a new acceptor or connector; PeerRevalidation
// decides whether the peers of open connections remain acceptable.
namespace tulle::tls {

// The detail of the failure when the peer rejected our own certificate.
inline constexpr char kRefusedByPeer[] =
    "the peer rejected our certificate (TLS alert): compare trust bundles and policies";
inline bool IsRefusedByPeer(const Failure& why) {
  return why.kind == FailureKind::kTlsFailed && why.detail == std::string_view(kRefusedByPeer);
}

// Which peers one side accepts. Immutable.
struct PeerRequirements {
  std::shared_ptr<const certs::TrustBundle> trust;  // null: peers are not verified
  bool require_spiffe = true;
  bool require_certificate = true;
  certs::PeerRole role = certs::PeerRole::kClient;
  std::vector<certs::SanMatcher> san_matchers;  // any of; empty: any name
};

inline PeerRequirements RequirementsOf(const ServerTlsSpec& spec) {
  return {spec.trust, spec.require_spiffe, spec.require_client_certificate,
          certs::PeerRole::kClient, spec.san_matchers};
}
inline PeerRequirements RequirementsOf(const ClientTlsSpec& spec) {
  return {spec.trust, spec.require_spiffe, true, certs::PeerRole::kServer, spec.san_matchers};
}

class SecureAcceptor : public TransportAcceptor {
 public:
  explicit SecureAcceptor(PeerRequirements requirements = {})
      : requirements_(std::move(requirements)) {}
  const PeerRequirements& requirements() const { return requirements_; }
  std::unique_ptr<Transport> Accept(loop::Loop& loop,
                                    std::unique_ptr<loop::Socket> socket) const final {
    return Accept(loop, std::move(socket), Buffer(loop.slab()));
  }
  // For callers that inspected the ClientHello first: `already_read` is what was read from the
  // socket.
  virtual std::unique_ptr<Transport> Accept(loop::Loop& loop, std::unique_ptr<loop::Socket> socket,
                                            Buffer already_read) const = 0;

 private:
  const PeerRequirements requirements_;
};

class SecureConnector : public TransportConnector {
 public:
  explicit SecureConnector(PeerRequirements requirements = {})
      : requirements_(std::move(requirements)) {}
  const PeerRequirements& requirements() const { return requirements_; }

 private:
  const PeerRequirements requirements_;
};

class SecureTransports {
 public:
  virtual ~SecureTransports() = default;
  // Fail when the key does not match the certificate, or when a spec is contradictory.
  virtual absl::StatusOr<std::shared_ptr<const SecureAcceptor>> NewAcceptor(
      ServerTlsSpec spec) const = 0;
  virtual absl::StatusOr<std::shared_ptr<const SecureConnector>> NewConnector(
      ClientTlsSpec spec) const = 0;
};

}  // namespace tulle::tls
