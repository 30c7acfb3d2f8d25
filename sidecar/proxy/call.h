#pragma once

#include <optional>

#include "net/base/arena.h"
#include "net/base/pin.h"
#include "net/http/head.h"
#include "net/loop/loop.h"
#include "sidecar/proxy/cluster_use.h"
#include "sidecar/proxy/decision_record.h"
#include "sidecar/proxy/held_fault.h"
#include "sidecar/proxy/request_spans.h"
#include "sidecar/proxy/retries.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {

class Caller;
class Decisions;
struct HttpChain;
struct Services;

// A request or a response, as far as it has come.
struct Message {
  http::Head* head = nullptr;  // in the call's arena
  bool started = false;        // response: something went downstream
  bool ended = false;          // received to its end
};

struct ChosenRoute {
  Pin<route::RouteTable> table;  // keeps the others
  const route::Route* route = nullptr;
  const route::Route::Target* target = nullptr;

  // Null: there is no route, or it does not forward.
  const route::ForwardSpec* forward() const {
    return route == nullptr ? nullptr : route->forward();
  }
  std::string_view cluster() const {
    return target == nullptr ? std::string_view() : std::string_view(target->cluster);
  }
};

// What x-ratelimit-* tell: those of the bucket with the fewest tokens left.
struct RateLimitQuota {
  uint32_t limit;
  uint32_t remaining;
  uint64_t reset_seconds;
};

// What policies left to do for the rest of the request.
struct PolicyState {
  HeldFault fault;
  std::optional<RateLimitQuota> quota;
  // Of a request to upgrade: what authorization decided on, for when the rules change.
  const http::Head* authorized = nullptr;
};

// One request: what its phases read and write, and what is known of it at its end. A phase is a
// free function of it (phases.h), so that each can be called alone. Owner: Exchange. Thread: the
// worker's.
struct Call {
  Call(Services& services, const HttpChain& chain, Caller& caller);

  Services& services;
  const HttpChain& chain;
  Caller& caller;
  Arena arena;
  Message request;
  Message response;
  ChosenRoute chosen;
  ClusterUse cluster;
  Retries retries;
  PolicyState policy;
  RequestSpans spans;
  DecisionRecord record;
  std::optional<loop::Duration> caller_timeout;  // grpc-timeout, once read; 0: none
  Decisions* decisions = nullptr;                // null: nothing unusual was decided
};

// Here, since every request asks, and most have no spans.
inline void RequestSpans::End(Call& call, int status, Failure failure) {
  if (call.record.tracing.spans != nullptr) RecordEnd(call, status, failure);
}

inline void RequestSpans::CountMeshTime(Call& call, bool ours) {
  const RequestTrace* trace = call.record.tracing.spans;
  if (trace != nullptr && trace->ours != ours) SwitchMeshTime(call, ours);
}

}  // namespace tulle::proxy
