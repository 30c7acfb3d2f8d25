#pragma once

#include <memory>

#include "net/base/failure.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle {

// Plain TCP. `side` is where the peer stands: it decides whether a lost connection is called
// kUpstreamReset or kDownstreamClosed.
//
// OnTransportReady comes once the connect is through; for an accepted socket, and for a connect
// that fails at once, the first event comes at the end of the turn in which the transport was made.
// A failure that Read has returned is followed by OnTransportFailed at the end of the turn unless
// Close came first.
std::unique_ptr<Transport> NewAcceptedTransport(loop::Loop& loop,
                                                std::unique_ptr<loop::Socket> socket,
                                                FailureOrigin side = FailureOrigin::kDownstream);
// `source` may be unset. Never null.
std::unique_ptr<Transport> NewConnectingTransport(loop::Loop& loop, const SocketAddress& to,
                                                  const SocketAddress& source,
                                                  FailureOrigin side = FailureOrigin::kUpstream);

// What a failed connect is called; `error` is a negative errno. For other transports too.
Failure ConnectFailure(int error);

}  // namespace tulle
