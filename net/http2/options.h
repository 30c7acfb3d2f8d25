#pragma once

#include <chrono>

#include "net/http/connection.h"
#include "net/loop/loop.h"

namespace tulle::http2 {

// What a connection may be told beside the limits. Defaults suit the data path.
struct Options {
  http::Limits limits;
  // Receive window of the connection: given back as bytes arrive, so it bounds only what is on the
  // way. Http2ProtocolOptions.initial_connection_window_size.
  uint32_t connection_window = 1024 * 1024;
  // Servers, when draining: from the notice to the GOAWAY that names the last stream.
  // HttpConnectionManager.drain_timeout.
  loop::Duration drain_notice = std::chrono::seconds(1);
  // A PING after this long without a sound from the peer; zero: none. No answer within the timeout
  // ends the connection. Http2ProtocolOptions.connection_keepalive.
  loop::Duration keepalive_interval{0};
  loop::Duration keepalive_timeout = std::chrono::seconds(20);
  // A PING only where a stream has said something since the peer was heard last. Servers of gRPC
  // take more than a few PINGs without data for an attack.
  bool keepalive_if_unanswered = false;
};

}  // namespace tulle::http2
