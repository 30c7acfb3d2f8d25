#pragma once

#include <memory>

#include "net/base/failure.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle {

// Plain TCP. `side` says which side the peer is on: it decides whether a lost connection is
// reported as kUpstreamReset or kDownstreamClosed.
//
// OnTransportReady comes when the connect completes. For an accepted socket, and for a connect
// that fails at once, the first event comes at the end of the turn in which the transport was
// created. A failure returned by Read is followed by OnTransportFailed at the end of the turn
// unless Close was called first.
std::unique_ptr<Transport> NewAcceptedTransport(loop::Loop& loop,
                                                std::unique_ptr<loop::Socket> socket,
                                                FailureOrigin side = FailureOrigin::kDownstream);
// `source` may be unset. Never null.
std::unique_ptr<Transport> NewConnectingTransport(loop::Loop& loop, const SocketAddress& to,
                                                  const SocketAddress& source,
                                                  FailureOrigin side = FailureOrigin::kUpstream);

// The failure kind of a failed connect; `error` is a negative errno. Also used by other transports.
Failure ConnectFailure(int error);

}  // namespace tulle
