// One listening port of the control plane: accepts, paces handshakes fairly among the sources of
// connections, and keeps connections without an identity few and short (guest_list.h).
//
// Owner: the Frontend, which destroys its servers first. Thread: the loop's. Order: SetAcceptor(),
// Listen().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "control-plane/server/accept_pace.h"
#include "control-plane/server/accept_queue.h"
#include "control-plane/server/guest_list.h"
#include "control-plane/server/guest_transport.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"

namespace tulle::server {

class Door : private loop::ListenerEvents {
 public:
  using Adopt = std::function<void(std::unique_ptr<GuestTransport>)>;

  // `name`: for the log and metrics.
  Door(std::string name, loop::Loop& loop, telemetry::Log& log, const GuestList::Limits& limits,
       Adopt adopt);
  ~Door() override;

  absl::Status Listen(const SocketAddress& at);
  // Null: plaintext. From now on, for new connections.
  void SetAcceptor(std::shared_ptr<const tls::SecureAcceptor> acceptor) {
    acceptor_ = std::move(acceptor);
  }

  const std::string& name() const { return name_; }
  SocketAddress address() const { return listener_->LocalAddress(); }
  const AcceptPace& pace() const { return pace_; }
  const GuestList& guests() const { return guests_; }
  const AcceptQueue& queue() const { return queue_; }

 private:
  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  // Begins handshakes, as many as the pace allows now.
  void Serve();
  uint64_t Refused() const;
  void Report();

  const std::string name_;
  loop::Loop& loop_;
  telemetry::Log& log_;
  loop::Deadlines deadlines_;
  GuestList guests_;
  AcceptQueue queue_;
  Adopt adopt_;
  std::shared_ptr<const tls::SecureAcceptor> acceptor_;
  std::unique_ptr<loop::Listener> listener_;
  AcceptPace pace_;
  std::unique_ptr<loop::Timer> resume_;  // active: the pace is used up
  std::unique_ptr<loop::Timer> report_;
  uint64_t reported_ = 0;  // refused connections that the log shows
};

}  // namespace tulle::server
