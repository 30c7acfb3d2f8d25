#pragma once

#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "net/loop/loop.h"

namespace tulle::proxy {

struct RequestTrace;

// The outcome of one request: what access log, metrics and spans report. The phases fill it in.
// Views live as long as the call. Owner: Call. Thread: the worker's.
struct DecisionRecord {
  loop::Instant started{};
  loop::Instant request_ended{};
  loop::Instant upstream_asked{};     // head given to the upstream codec, last attempt
  loop::Instant upstream_answered{};  // response head
  loop::Instant ended{};
  std::chrono::system_clock::time_point wall_started{};

  const http::Head* request = nullptr;
  std::string_view original_path;  // before normalization and rewriting
  int status = 0;                  // sent downstream; 0: none
  std::string_view grpc_status;
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;

  std::string_view route;
  std::string_view operation;  // the name of its spans; empty: not configured
  std::string_view cluster;
  std::string_view service;
  SocketAddress upstream;
  SocketAddress upstream_local;
  std::string_view upstream_peer;  // SPIFFE ID
  bool upstream_tls = false;
  uint32_t attempts = 0;

  std::string_view policy;  // that denied the request
  // Why the request ended as it did; kNone: a response of the upstream, or a configured one.
  Failure failure;
  bool retries_exhausted = false;  // URX
  bool retry_refused = false;      // by the retry budget of the cluster
  bool delay_injected = false;     // DI
  // After the response head was sent downstream.
  bool response_truncated = false;

  std::string_view trace_id;            // empty: no tracing here
  const RequestTrace* trace = nullptr;  // null: no spans
};

}  // namespace tulle::proxy
