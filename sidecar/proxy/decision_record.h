#pragma once

#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/http/head.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "sidecar/proxy/grpc_messages.h"

namespace tulle::route {
class Route;
}

namespace tulle::proxy {

struct AttemptTraces;
struct RequestTrace;

struct RequestTimes {
  loop::Instant started{};
  loop::Instant request_ended{};
  loop::Instant attempt_started{};    // last attempt: an endpoint was picked
  loop::Instant upstream_asked{};     // head given to the upstream codec, last attempt
  loop::Instant upstream_answered{};  // response head
  loop::Instant ended{};
  std::chrono::system_clock::time_point wall_started{};
};

struct BodyBytes {
  uint64_t request = 0;
  uint64_t response = 0;
};

// Where the request was to go.
struct RoutedTo {
  std::string_view route;
  const route::Route* matched = nullptr;  // null: none; valid as long as the call
  std::string_view cluster;
  std::string_view service;
};

// Who was asked, last attempt.
struct UpstreamPeer {
  SocketAddress address;
  SocketAddress local;
  std::string_view peer;    // SPIFFE ID
  std::string_view labels;  // PeerIdentity::labels
  bool is_tls = false;
  bool is_http2 = false;
  bool was_asked = false;  // the request was sent
  TlsTerms tls_terms;
};

struct RetryRecord {
  uint32_t attempts = 0;   // the first one included
  bool exhausted = false;  // URX
  bool refused = false;    // by the retry budget of the cluster
};

struct TracingRecord {
  std::string_view id;            // empty: no tracing here
  RequestTrace* spans = nullptr;  // null: no spans
  // Without spans: the request's place in the trace, in case that its end is worth reporting.
  uint64_t span = 0;               // of ours that the upstream was told; 0: none
  uint64_t parent = 0;             // 0: the trace begins here
  AttemptTraces* ended = nullptr;  // its attempts, but for one that ends with the request
};

// The outcome of one request: what access log, metrics and spans report. The phases fill it in.
// Views live as long as the call. Owner: Call. Thread: the worker's.
struct DecisionRecord {
  RequestTimes times;
  const http::Head* request = nullptr;
  GrpcBodies* grpc = nullptr;      // null: the request, as it came, is not gRPC
  std::string_view original_path;  // before normalization and rewriting
  std::string_view grpc_status;
  BodyBytes bytes;
  RoutedTo routed;
  UpstreamPeer upstream;
  RetryRecord retries;
  std::string_view policy;  // that denied the request, or let it pass
  // Why the request ended as it did; kNone: a response of the upstream, or a configured one.
  Failure failure;
  int status = 0;                   // sent downstream; 0: none
  bool delay_injected = false;      // DI
  bool response_truncated = false;  // after its head was sent downstream
  TracingRecord tracing;
};

}  // namespace tulle::proxy
