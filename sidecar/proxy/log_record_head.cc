#include "sidecar/proxy/log_record_head.h"

#include <chrono>

#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/trace_record.h"

namespace tulle::proxy {
namespace {

using telemetry::Severity;

int64_t SinceEpoch(std::chrono::system_clock::time_point at) {
  return std::chrono::nanoseconds(at.time_since_epoch()).count();
}

telemetry::TracePoint TraceOf(const TracingRecord& tracing) {
  if (tracing.spans != nullptr) return tracing.spans->context;
  telemetry::TracePoint trace;
  if (!tracing.id.empty() && telemetry::ReadTraceId(tracing.id, trace)) trace.span = tracing.span;
  return trace;
}

}  // namespace

telemetry::LogRecordHead HeadOf(const EndedRequest& request) {
  const DecisionRecord& record = request.record;
  telemetry::LogRecordHead head;
  if (record.failure.kind == failures::kDenied) {
    head.severity = Severity::kWarning;
  } else if (HasFailed(record, GrpcStatusNumber(record.grpc_status))) {
    head.severity = Severity::kError;
  }
  head.observed_ns =
      SinceEpoch(record.times.wall_started) + (record.times.ended - record.times.started).count();
  head.trace = TraceOf(record.tracing);
  return head;
}

telemetry::LogRecordHead HeadOf(const EndedRelay& relay) {
  const RelayRecord& record = relay.record;
  telemetry::LogRecordHead head;
  if (record.failure.kind == failures::kDenied) {
    head.severity = Severity::kWarning;
  } else if (HasFailed(record)) {
    head.severity = Severity::kError;
  }
  head.observed_ns = SinceEpoch(relay.wall_ended);
  return head;
}

}  // namespace tulle::proxy
