#pragma once

#include <chrono>
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
struct DecisionRecord;

// What the mesh added to the last attempt, by the loop's clock: the wait for a connection. `ended`:
// its end, if it was never sent.
std::chrono::nanoseconds BeforeSending(const DecisionRecord& record, loop::Instant ended);

// The request's place in a trace: continued or begun, propagated to the upstream, with a span for
// each attempt. Costs nothing where the chain has no tracing, and no span where the request is not
// sampled. Owner: Call. Source: W3C Trace Context and Baggage; B3 propagation;
// HttpConnectionManager.tracing.
class RequestSpans {
 public:
  // Part of the identify phase: reads and writes the request's headers.
  void Begin(Call& call);
  void BeginAttempt(Call& call, const SocketAddress& upstream);
  // An attempt has ended, and the request goes on: by another one, or an answer of our own.
  // `status` 0: no response. Only the first end of an attempt counts.
  void EndAttempt(Call& call, int status, Failure failure);
  // The request ends, and with it its attempt.
  void End(Call& call, int status, Failure failure);
  // Counts the time that the mesh added: from true to false.
  void CountMeshTime(Call& call, bool ours);

 private:
  static void RecordEnd(Call& call, int status, Failure failure);
  static void KeepEnd(Call& call, int status, Failure failure);
  static void SwitchMeshTime(Call& call, bool ours);
  void Sample(Call& call, telemetry::TracePoint& context, uint64_t parent);

  char* traceparent_ = nullptr;  // the header's value, where we have written it
  B3Style b3_;                   // in which the request came
};

}  // namespace tulle::proxy
