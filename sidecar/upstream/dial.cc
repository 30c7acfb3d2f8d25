#include "sidecar/upstream/dial.h"

#include <algorithm>
#include <utility>

#include "net/http1/client_connection.h"
#include "net/http2/connection.h"
#include "net/socket/transports.h"
#include "net/tls/secure_transports.h"

namespace tulle::upstream {

namespace {

// Without any bytes from the peer while it owes a response. Servers outside the mesh may take more
// than a few PINGs for an attack (gRPC: too_many_pings).
constexpr loop::Duration kSilence = std::chrono::seconds(30);
constexpr loop::Duration kSilenceInMesh = std::chrono::seconds(5);
constexpr loop::Duration kPingTimeoutInMesh = std::chrono::seconds(5);

// Its peer must prove a SPIFFE ID: servers of others have TLS too.
bool IsInMesh(const TransportSocketSpec& socket) {
  if (socket.tls == nullptr) return false;
  const tls::PeerRequirements& peer = socket.tls->requirements();
  return peer.trust != nullptr && peer.require_spiffe;
}

bool HasLabels(const EndpointSpec& endpoint, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    return std::find(endpoint.transport_labels.begin(), endpoint.transport_labels.end(), label) !=
           endpoint.transport_labels.end();
  });
}

}  // namespace

const TransportSocketSpec& SocketFor(const ClusterSpec& cluster, const EndpointSpec& endpoint) {
  for (const TransportSocketSpec& socket : cluster.transport_sockets) {
    if (HasLabels(endpoint, socket.match)) return socket;
  }
  return cluster.transport_sockets.back();
}

bool HasExpectedIdentity(const EndpointSpec& endpoint, const Transport& transport) {
  if (endpoint.spiffe_id.empty()) return true;
  const PeerIdentity* peer = transport.peer();
  return peer != nullptr && peer->spiffe_id == endpoint.spiffe_id;
}

std::unique_ptr<Transport> Dial(loop::Loop& loop, const ClusterSpec& cluster,
                                const EndpointSpec& endpoint, const TransportSocketSpec& socket,
                                HttpVersion version) {
  const auto& tls =
      version == HttpVersion::k2 && socket.tls_http2 != nullptr ? socket.tls_http2 : socket.tls;
  const TransportConnector& connector = tls == nullptr ? PlainConnector() : *tls;
  const bool other =
      cluster.source_address.is_set() && cluster.source_address.is_v6() != endpoint.address.is_v6();
  return connector.Connect(loop, endpoint.address,
                           other ? cluster.other_source_address : cluster.source_address);
}

std::unique_ptr<http::ClientConnection> NewCodec(HttpVersion version, loop::Loop& loop,
                                                 loop::Deadlines& deadlines,
                                                 const ClusterSpec& cluster,
                                                 const TransportSocketSpec& socket,
                                                 std::unique_ptr<Transport> transport,
                                                 http::ClientConnectionEvents& events) {
  http::Limits limits;
  limits.head_bytes = cluster.response_head_kib * size_t{1024};
  limits.header_count = cluster.response_header_count;
  limits.line_bytes = limits.head_bytes;
  if (version == HttpVersion::k1) {
    http1::ClientOptions options;
    options.limits = limits;
    return std::make_unique<http1::ClientConnection>(loop, deadlines, std::move(transport), events,
                                                     options);
  }
  http2::Options options;
  options.limits = limits;
  options.limits.concurrent_streams = cluster.http2_concurrent_streams;
  // Detects a vanished host after one PING timeout instead of TCP's.
  options.keepalive_interval = kSilence;
  options.keepalive_if_unanswered = true;
  if (IsInMesh(socket)) {
    options.keepalive_interval = kSilenceInMesh;
    options.keepalive_timeout = kPingTimeoutInMesh;
  }
  return http2::NewClientConnection(loop, std::move(transport), events, options);
}

}  // namespace tulle::upstream
