#pragma once

#include <memory>

#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "sidecar/upstream/cluster_spec.h"

// The way to an endpoint. Thread: the loop's.
namespace tulle::upstream {

enum class HttpVersion : uint8_t { k1, k2 };

// The first of the cluster's transport sockets whose labels the endpoint has.
const TransportSocketSpec& SocketFor(const ClusterSpec& cluster, const EndpointSpec& endpoint);

// Whether the peer is who the endpoint says it is. The cluster's SAN list names every identity of
// the service; the endpoint's own one is the exact answer.
bool HasExpectedIdentity(const EndpointSpec& endpoint, const Transport& transport);

// Starts connecting, in plaintext or by TLS as `socket` says. Never null: failures are told by
// OnTransportFailed.
std::unique_ptr<Transport> Dial(loop::Loop& loop, const ClusterSpec& cluster,
                                const EndpointSpec& endpoint, const TransportSocketSpec& socket,
                                HttpVersion version = HttpVersion::k1);

// A codec over that transport. Call Start() on it. `deadlines` and `events` outlive it.
std::unique_ptr<http::ClientConnection> Speak(HttpVersion version, loop::Loop& loop,
                                              loop::Deadlines& deadlines,
                                              const ClusterSpec& cluster,
                                              std::unique_ptr<Transport> transport,
                                              http::ClientConnectionEvents& events);

}  // namespace tulle::upstream
