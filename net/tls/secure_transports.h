#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/san_matcher.h"
#include "net/base/buffer.h"
#include "net/socket/transports.h"
#include "net/tls/tls_spec.h"

// The seam of secure transports: real TLS (tls_transports.h) or the simulator's
// (sim_transports.h). The composition root picks one; nobody else knows which it is.
//
// Acceptors and connectors are immutable and shared by workers; the transports that they make hold
// on to what they need. A changed certificate or bundle is a new acceptor or connector.
namespace tulle::tls {

class SecureAcceptor : public TransportAcceptor {
 public:
  std::unique_ptr<Transport> Accept(loop::Loop& loop,
                                    std::unique_ptr<loop::Socket> socket) const final {
    return Accept(loop, std::move(socket), Buffer(loop.slab()));
  }
  // For who looked at the ClientHello first: `already_read` is what was taken from the socket.
  virtual std::unique_ptr<Transport> Accept(loop::Loop& loop, std::unique_ptr<loop::Socket> socket,
                                            Buffer already_read) const = 0;
};

class SecureConnector : public TransportConnector {
 public:
  // The same connector for a peer with names of its own (an endpoint's SPIFFE ID). Cheap.
  virtual std::shared_ptr<const SecureConnector> ForPeer(
      std::vector<certs::SanMatcher> san_matchers, std::string sni) const = 0;
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
