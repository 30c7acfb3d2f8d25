#pragma once

#include <chrono>

#include "net/http/connection.h"
#include "net/loop/loop.h"

namespace tulle::http2 {

// Options of a connection beside the limits. The defaults suit the data path.
struct Options {
  http::Limits limits;
  // Receive window of the connection. It is returned as bytes arrive, so it bounds only what is in
  // flight. Http2ProtocolOptions.initial_connection_window_size.
  uint32_t connection_window = 1024 * 1024;
  // Servers, when draining: time from the notice to the GOAWAY that names the last stream.
  // HttpConnectionManager.drain_timeout.
  loop::Duration drain_notice = std::chrono::seconds(1);
  // Sends a PING after this long without input from the peer; zero: never. No response within the
  // timeout ends the connection. Http2ProtocolOptions.connection_keepalive.
  loop::Duration keepalive_interval{0};
  loop::Duration keepalive_timeout = std::chrono::seconds(20);
  // Sends a PING only if a stream was active since the last input from the peer. gRPC servers treat
  // more than a few PINGs without data as an attack.
  bool keepalive_if_unanswered = false;
};

}  // namespace tulle::http2
