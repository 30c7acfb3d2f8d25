#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "telemetry/trace_context.h"

namespace tulle::proxy {

// The span of one attempt of a traced request.
struct AttemptTrace {
  uint64_t span = 0;
  loop::Instant started{};
  loop::Instant ended{};  // unset: the attempt was the last, and ended with the request
  SocketAddress upstream;
  int status = 0;  // 0: no answer
  Failure failure;
  AttemptTrace* next = nullptr;
};

// What the spans of one request are made from. For sampled requests it lives in the call's arena,
// like all that it points to; for others it is made at their end, if that is worth reporting.
struct RequestTrace {
  using WallTime = std::chrono::system_clock::time_point;
  // Further attempts have no span.
  static constexpr int kMostAttempts = 16;

  telemetry::TracePoint context;  // its `span` is the server span
  uint64_t parent = 0;            // 0: the trace begins here
  std::string_view tracestate;
  AttemptTrace* first = nullptr;
  AttemptTrace* last = nullptr;
  int attempts = 0;
  // The time that the mesh added: neither the upstream nor the caller was waited for.
  std::chrono::nanoseconds mesh{0};
  WallTime ours_since{};  // since when, while `ours`
  bool ours = true;
  std::string_view reason;  // why it was made at the end; empty: the request is sampled
};

}  // namespace tulle::proxy
