#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/config/listener_spec.h"

namespace tulle::proxy {

// One relayed connection. The relay fills it in; access log and metrics only read it.
// Owner: TcpRelay. Thread: the worker's.
struct RelayRecord {
  loop::Instant started{};
  loop::Instant ended{};
  config::Direction direction = config::Direction::kUnspecified;
  std::string cluster;
  std::string service;
  SocketAddress downstream;
  SocketAddress downstream_local;
  SocketAddress upstream;
  uint64_t connection = 0;  // see Services::connections
  uint64_t received = 0;    // from downstream
  uint64_t sent = 0;        // to downstream
  bool opened = false;      // the upstream was reached
  Failure failure;
  bool reset_after_end = false;  // by the upstream, after the client had ended: no error
  std::string_view policy;       // that denied it; of the filter chain

  bool has_failed() const { return failure && !reset_after_end; }
};

}  // namespace tulle::proxy
