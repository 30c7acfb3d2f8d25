#pragma once

#include <cstdint>

#include "net/base/failure.h"
#include "sidecar/proxy/trace_headers.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/trace_context.h"

namespace tulle::config {
struct TracingSpec;
}

namespace tulle::proxy {

struct Call;

// The request's place in a trace: continued or begun, propagated to the upstream, with a span for
// each attempt. Costs nothing where the chain has no tracing, and no span where the request is not
// sampled. Owner: Call. Source: W3C Trace Context and Baggage; B3 propagation;
// HttpConnectionManager.tracing.
class RequestSpans {
 public:
  // Part of the identify phase: reads and writes the request's headers.
  void Begin(Call& call);
  void BeginAttempt(Call& call, const SocketAddress& upstream);
  // `status` 0: no response. Only the first call for an attempt counts.
  void EndAttempt(Call& call, int status, Failure failure) {
    if (trace_ != nullptr) RecordEnd(call, status, failure);
  }
  // Counts the time that the mesh added: from true to false.
  void CountMeshTime(Call& call, bool ours) {
    if (trace_ != nullptr && trace_->ours != ours) SwitchMeshTime(call, ours);
  }

 private:
  void RecordEnd(Call& call, int status, Failure failure);
  void SwitchMeshTime(Call& call, bool ours);
  void Sample(Call& call, telemetry::TracePoint& context, uint64_t parent);

  char* traceparent_ = nullptr;    // the header's value, where we have written it
  RequestTrace* trace_ = nullptr;  // of a request that is sampled
  B3Style b3_;                     // in which the request came
};

}  // namespace tulle::proxy
