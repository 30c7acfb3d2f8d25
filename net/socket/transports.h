#pragma once

#include <memory>

#include "net/loop/loop.h"
#include "net/socket/transport.h"

// How connections get their transports: plaintext here, TLS in net/tls, which implements the same
// two seams. Both are immutable and may be shared; owner and thread are the caller's.
namespace tulle {

// The upstream side.
class TransportConnector {
 public:
  virtual ~TransportConnector() = default;
  // Never null: a connect that fails at once is reported by OnTransportFailed at the end of the
  // turn. `source` may be unset.
  virtual std::unique_ptr<Transport> Connect(loop::Loop& loop, const SocketAddress& to,
                                             const SocketAddress& source) const = 0;
};

// The downstream side.
class TransportAcceptor {
 public:
  virtual ~TransportAcceptor() = default;
  virtual std::unique_ptr<Transport> Accept(loop::Loop& loop,
                                            std::unique_ptr<loop::Socket> socket) const = 0;
};

// Stateless: one instance of each is shared by all callers.
const TransportConnector& PlainConnector();
const TransportAcceptor& PlainAcceptor();

}  // namespace tulle
