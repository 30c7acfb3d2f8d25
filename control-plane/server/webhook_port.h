// The port of the admission webhooks: HTTPS for the API server, which shows no certificate, so that
// every caller is a stranger (guest_list.h). Few connections, bounded bodies, short times.
//
// Owner: Frontend. Thread: the loop's. Order: SetAcceptor(), Listen().
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "control-plane/server/door.h"
#include "control-plane/server/rest_server.h"
#include "control-plane/webhook/webhook.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

class WebhookPort {
 public:
  // References outlive this.
  WebhookPort(loop::Loop& loop, telemetry::Log& log, const webhook::Settings& settings);

  absl::Status Listen(const SocketAddress& at) { return door_.Listen(at); }
  void SetAcceptor(std::shared_ptr<const tls::SecureAcceptor> acceptor) {
    door_.SetAcceptor(std::move(acceptor));
  }
  const Door& door() const { return door_; }
  const webhook::ReviewCounts& counts() const { return webhook_.counts(); }

 private:
  webhook::Webhook webhook_;
  // Its guests are connections of the server, which is destroyed first.
  Door door_;
  RestServer server_;
};

}  // namespace tulle::server
