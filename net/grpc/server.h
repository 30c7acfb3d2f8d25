#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "net/base/intrusive_list.h"
#include "net/grpc/service.h"
#include "net/grpc/status.h"
#include "net/http/head.h"
#include "net/http2/options.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

namespace tulle::grpc {

struct ServerOptions {
  http2::Options http2;
  // Of connections whose peer has no identity (Transport::peer()), if they differ.
  std::optional<http2::Options> without_peer;
  // Decides about a call by its head, before a byte of a message is read. Unset: all are admitted.
  std::function<Status(const http::Head& head, const Transport& transport)> admit;
  size_t largest_message = 16 * 1024 * 1024;  // received
  // For the request of a unary method from its head to its end, and for each message of a stream
  // from its first byte to its last. A stream may be silent between messages for any time. A call
  // that takes longer ends with DEADLINE_EXCEEDED.
  loop::Duration message_timeout = std::chrono::seconds(30);
  // A connection of this age, or up to a quarter more or less, is asked to end, and its streams end
  // with UNAVAILABLE: so clients of several servers behind one address spread over them, also over
  // new ones. Zero: never.
  loop::Duration connection_age{};
  // Asked at that time; false: again after the same time. Unset: it may.
  std::function<bool()> may_end_connection;
  // Called for each call that took longer than message_timeout, before it ends. May be unset.
  std::function<void(const http::Head& head, const Transport& transport)> on_message_timeout;
};

// Serves the methods of a registry on the HTTP/2 connections passed to it. Accepts keepalive PINGs
// at any rate that is not a flood.
//
// Owner: the listener's owner; do not destroy it from inside a callback. Thread: the loop's. The
// registry must outlive it.
class Server {
 public:
  Server(loop::Loop& loop, const ServiceRegistry& registry, const ServerOptions& options);
  ~Server();

  // An accepted transport, ready or not yet.
  void Adopt(std::unique_ptr<Transport> transport);
  // No new calls; connections close when their calls end.
  void Drain();
  // Ends the connections that are ready and for which `predicate` holds, and their calls.
  void CloseWhere(const std::function<bool(const Transport&)>& predicate);
  size_t connections() const { return connection_count_; }
  uint64_t message_timeouts() const { return message_timeouts_; }

 private:
  class Connection;
  class Call;

  loop::Loop& loop_;
  const ServiceRegistry& registry_;
  const ServerOptions options_;
  loop::Deadlines deadlines_;
  IntrusiveList<Connection> connections_;
  size_t connection_count_ = 0;
  uint64_t message_timeouts_ = 0;
  bool draining_ = false;
};

}  // namespace tulle::grpc
