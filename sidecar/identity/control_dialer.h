#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/secure_transports.h"

namespace tulle::identity {

// Connects to tulle-control by TLS, at its addresses in turn. Whenever roots are given, only the
// control plane's own SPIFFE ID is accepted. Owner: IdentityAgent. Thread: main.
class ControlDialer final {
 public:
  ControlDialer(loop::Loop& loop, const tls::SecureTransports& transports,
                std::vector<SocketAddress> addresses)
      : loop_(loop), transports_(transports), addresses_(std::move(addresses)) {}

  // Used from the next connection on.
  void SetAddresses(std::vector<SocketAddress> addresses) { addresses_ = std::move(addresses); }
  // Null: no address is known, or the key does not belong to the certificate.
  std::unique_ptr<Transport> Dial(tls::ClientTlsSpec spec);

 private:
  loop::Loop& loop_;
  const tls::SecureTransports& transports_;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;
};

}  // namespace tulle::identity
