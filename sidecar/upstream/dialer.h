#pragma once

#include <memory>

#include "net/http/connection.h"
#include "net/socket/transport.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

enum class HttpVersion : uint8_t { k1, k2 };

// How a worker reaches an endpoint; made by the composition root: real sockets and TLS, or the
// simulator's. Owner: Worker. Thread: the worker's.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // Starts connecting. The transport reports OnTransportReady or OnTransportFailed; null: failed at
  // once, with *failure set.
  virtual std::unique_ptr<Transport> Dial(const ClusterSpec& cluster, const EndpointSpec& endpoint,
                                          const TransportSocketSpec& socket, Failure* failure) = 0;
  // A codec over that transport. Call Start() on it.
  virtual std::unique_ptr<http::ClientConnection> Speak(HttpVersion version,
                                                        const ClusterSpec& cluster,
                                                        std::unique_ptr<Transport> transport,
                                                        http::ClientConnectionEvents& events) = 0;
};

}  // namespace tulle::upstream
