#pragma once

#include <memory>

#include "net/http/connection.h"
#include "net/http2/options.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

// HTTP/2 (RFC 9113) behind the codec interface of net/http, as server and as client, on nghttp2. It
// runs in cleartext by prior knowledge or over TLS, depending on the transport. The caller decides
// whether a connection speaks HTTP/2, and owns the connection. Thread: the loop's.
namespace tulle::http2 {

// `transport` is ready (connected, for TLS verified); `events` must outlive the connection.
std::unique_ptr<http::ServerConnection> NewServerConnection(loop::Loop& loop,
                                                            std::unique_ptr<Transport> transport,
                                                            http::ServerConnectionEvents& events,
                                                            const Options& options);

// `transport` may still be connecting; `events` must outlive the connection.
std::unique_ptr<http::ClientConnection> NewClientConnection(loop::Loop& loop,
                                                            std::unique_ptr<Transport> transport,
                                                            http::ClientConnectionEvents& events,
                                                            const Options& options);

}  // namespace tulle::http2
