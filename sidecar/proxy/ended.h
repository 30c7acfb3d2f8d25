#pragma once

#include <memory>
#include <string_view>

#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "net/socket/transport.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/proxy/decision_record.h"
#include "sidecar/proxy/relay_record.h"

namespace tulle::proxy {

class Decisions;

// The downstream side of a request or connection that has ended. Views are valid during the call
// that passes it on.
struct EndedDownstream {
  const std::shared_ptr<const config::FilterChainSpec>& chain;
  config::Direction direction = config::Direction::kUnspecified;
  const PeerIdentity* peer = nullptr;  // null: plaintext, or TLS without a client certificate
  bool tls = false;
  SocketAddress remote;
  SocketAddress local;
  std::string_view sni;
  TlsTerms tls_terms{};
  uint64_t connection = 0;  // different for each of the process; 0: not known
};

// One request or one relayed connection, as access log and metrics see it.
struct EndedRequest {
  EndedDownstream downstream;
  const DecisionRecord& record;
  const http::Head* response = nullptr;  // null: none was sent
  std::string_view virtual_host{};       // of its route
  const Decisions* decisions = nullptr;  // null: nothing unusual was decided
};

struct EndedRelay {
  EndedDownstream downstream;
  const PeerIdentity* upstream_peer;  // null: not reached, or without TLS
  const RelayRecord& record;
  std::chrono::system_clock::time_point wall_ended{};
  TlsTerms upstream_tls{};
};

}  // namespace tulle::proxy
