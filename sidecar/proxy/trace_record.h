#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "telemetry/trace_context.h"

namespace tulle::proxy {

// One attempt of a request that has spans.
struct AttemptTrace {
  uint64_t span = 0;  // 0: chosen when it is written
  loop::Instant started{};
  loop::Instant ended{};  // unset: the attempt was the last, and ended with the request
  SocketAddress upstream;
  int status = 0;  // 0: no answer
  Failure failure;
  std::chrono::nanoseconds mesh{0};  // see RequestTrace::mesh: of that, the part within the attempt
  AttemptTrace* next = nullptr;
};

// In order. Further attempts are counted and have no span.
struct AttemptTraces {
  static constexpr uint32_t kMost = 16;

  void Add(AttemptTrace& attempt) {
    (last == nullptr ? first : last->next) = &attempt;
    last = &attempt;
  }
  bool full() const { return count >= kMost; }

  AttemptTrace* first = nullptr;
  AttemptTrace* last = nullptr;
  uint32_t count = 0;
  std::chrono::nanoseconds waited{0};  // for upstreams, by all of them: of requests not sampled
};

// What the spans of one request are made from. For sampled requests it lives in the call's arena,
// like all that it points to; for others it is made at their end, if that is worth reporting.
struct RequestTrace {
  using WallTime = std::chrono::system_clock::time_point;
  telemetry::TracePoint context;  // its `span` is the server span
  uint64_t parent = 0;            // 0: the trace begins here
  std::string_view tracestate;
  AttemptTraces attempts;
  // The time that the mesh added: neither the upstream nor the caller was waited for.
  std::chrono::nanoseconds mesh{0};
  WallTime ours_since{};  // since when, while `ours`
  bool ours = true;
  std::chrono::nanoseconds mesh_before{0};  // the last attempt
  std::string_view reason;  // why it was made at the end; empty: the request is sampled

  std::chrono::nanoseconds MeshUntil(WallTime now) const {
    return mesh + (ours && now > ours_since ? now - ours_since : std::chrono::nanoseconds(0));
  }
};

}  // namespace tulle::proxy
