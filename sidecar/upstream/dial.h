#pragma once

#include <memory>

#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "sidecar/upstream/cluster_spec.h"

// Connects to endpoints. Thread: the loop's.
namespace tulle::upstream {

enum class HttpVersion : uint8_t { k1, k2 };

// The first of the cluster's transport sockets whose labels match the endpoint.
const TransportSocketSpec& SocketFor(const ClusterSpec& cluster, const EndpointSpec& endpoint);

// Whether the peer has the endpoint's identity. The cluster's SAN list has every identity of the
// service; the endpoint's own is exact.
bool HasExpectedIdentity(const EndpointSpec& endpoint, const Transport& transport);

// Starts connecting, in plaintext or by TLS according to `socket`. Never null: failures are
// reported by OnTransportFailed.
std::unique_ptr<Transport> Dial(loop::Loop& loop, const ClusterSpec& cluster,
                                const EndpointSpec& endpoint, const TransportSocketSpec& socket,
                                HttpVersion version = HttpVersion::k1);

// A codec over that transport, which was dialled by `socket`. A peer that must prove a SPIFFE ID is
// one of the mesh: if it owes a response and sends nothing for 5 s, it is asked by PING (HTTP/2)
// whether it lives, and has 5 s to answer; others are given more time. Call Start() on it.
// `deadlines` and `events` must outlive it.
std::unique_ptr<http::ClientConnection> NewCodec(HttpVersion version, loop::Loop& loop,
                                                 loop::Deadlines& deadlines,
                                                 const ClusterSpec& cluster,
                                                 const TransportSocketSpec& socket,
                                                 std::unique_ptr<Transport> transport,
                                                 http::ClientConnectionEvents& events);

}  // namespace tulle::upstream
