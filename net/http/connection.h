#pragma once

#include <memory>

#include "net/base/deletable.h"
#include "net/http/stream.h"
#include "net/socket/transport.h"

namespace tulle::http {

// Limits on what a peer may send; the same for both HTTP versions. Defaults are Envoy's; where
// Envoy has no limit they are still finite.
struct Limits {
  size_t head_bytes = 60 * 1024;             // request line and headers; HCM.max_request_headers_kb
  size_t header_count = 100;                 // common_http_protocol_options.max_headers_count
  size_t line_bytes = 60 * 1024;             // HTTP/1 request or status line
  size_t chunk_extension_bytes = 16 * 1024;  // per message
  size_t trailer_bytes = 60 * 1024;
  size_t trailer_count = 100;
  size_t interim_responses = 100;      // 1xx per request
  uint32_t concurrent_streams = 100;   // HTTP/2
  uint32_t stream_window = 64 * 1024;  // HTTP/2, at start
  size_t send_buffer = 256 * 1024;     // per stream: SendRoom is counted against it
};

// What a server connection tells its owner.
class ServerConnectionEvents {
 public:
  virtual ~ServerConnectionEvents() = default;
  // The first byte of a request arrived. The returned object must outlive the stream or detach from
  // it. Null: refused, and the connection closes.
  virtual StreamEvents* OnStream(Stream& stream) = 0;
  // The last stream has ended and the transport is closed or unusable: delete this connection
  // (DeferDelete). Called once, never from inside a call on the connection. `why` is kNone for an
  // orderly end.
  virtual void OnConnectionClosed(Failure why) = 0;
};

// One downstream connection's codec. Owner: sidecar/proxy (or the control plane's server). It owns
// its transport and its streams. All its streams get OnReset before OnConnectionClosed.
class ServerConnection : public Deletable {
 public:
  // Call once. If the transport was read from before, `early` holds those bytes.
  virtual void Start(Buffer& early) = 0;
  // Asks the peer to reconnect elsewhere while still serving requests: HTTP/1.1 sends Connection:
  // close with the next response, but an idle connection stays open for one more request; HTTP/2
  // sends GOAWAY.
  virtual void AnnounceEnd() { Drain(); }
  // No new requests: HTTP/1.1 responds with Connection: close, HTTP/2 sends GOAWAY. Closes when the
  // last stream ends.
  virtual void Drain() = 0;
  // Ends everything at once. No event follows.
  virtual void Close() = 0;
  // Ends an upgraded stream with OnReset, because the peer is no longer trusted.
  virtual void ResetUpgraded() {}
  virtual Transport& transport() = 0;
  // The time of the last input or output, and the number of open streams: for the idle timer.
  virtual size_t active_streams() const = 0;
};

class ClientConnectionEvents {
 public:
  virtual ~ClientConnectionEvents() = default;
  // The transport is ready (connected, verified) and streams may be opened.
  virtual void OnConnectionReady() = 0;
  // More streams may be opened than before (a stream ended, or the peer raised its limit).
  virtual void OnStreamRoom() = 0;
  // As in ServerConnectionEvents. Streams that were open got OnReset before.
  virtual void OnConnectionClosed(Failure why) = 0;
};

// One upstream connection's codec. Owner: the pool in sidecar/upstream (or an xDS or API client).
// It owns its transport and its streams.
class ClientConnection : public Deletable {
 public:
  virtual void Start() = 0;
  // Streams that may be opened now: 0 before OnConnectionReady, at the limit, and forever after the
  // peer announced that it will close.
  virtual size_t StreamRoom() const = 0;
  // REQUIRES: StreamRoom() > 0.
  virtual Stream& Open(StreamEvents& events) = 0;
  virtual size_t active_streams() const = 0;
  // Whether at least one stream has been opened before: a "reused" connection.
  virtual bool used() const = 0;
  // No new streams; closes when the last one ends.
  virtual void Drain() = 0;
  virtual void Close() = 0;
  // As in ServerConnection.
  virtual void ResetUpgraded() {}
  virtual Transport& transport() = 0;
};

}  // namespace tulle::http
