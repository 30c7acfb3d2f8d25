#include "sidecar/proxy/span_log.h"

#include <algorithm>
#include <array>

#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/request_spans.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/span_attributes.h"
#include "sidecar/proxy/span_events.h"
#include "telemetry/families.h"
#include "telemetry/otlp_span.h"

namespace tulle::proxy {
namespace {

using telemetry::SpanHead;
using telemetry::SpanKind;
using telemetry::SpanWriter;

telemetry::Counter& Dropped(telemetry::Registry& registry, std::string_view reason) {
  return registry.CounterRow(telemetry::kSpansDropped, {&reason, 1});
}

std::string_view CauseOf(const Failure& failure) {
  return failure ? failure.facts().cause : std::string_view();
}

void PutServerSpan(const EndedRequest& request, const RequestTrace& trace, std::string& out) {
  const DecisionRecord& record = request.record;
  std::array<char, SpanWriter::kLongestText> name;
  SpanHead head;
  head.context = trace.context;
  head.parent = trace.parent;
  head.parent_is_remote = true;
  head.tracestate = trace.tracestate;
  head.name = ServerSpanName(record, name);
  head.start_ns = WallNanoseconds(record, record.times.started);
  head.end_ns = WallNanoseconds(record, record.times.ended);
  SpanWriter span(out, head);
  PutServerAttributes(request, span);
  PutMeshTime(trace.mesh, span);
  span.Text("tulle.sampling.reason", trace.reason);
  PutEvents(request, span);
  if (record.status == 0 || record.status >= 500 ||
      IsGrpcServerError(GrpcStatusNumber(record.grpc_status))) {
    span.Error(CauseOf(record.failure));
  }
  span.End();
}

void PutAttemptSpan(const EndedRequest& request, const RequestTrace& trace,
                    const AttemptTrace& attempt, uint64_t number, std::string& out) {
  const DecisionRecord& record = request.record;
  SpanHead head;
  head.kind = SpanKind::kClient;
  head.context = trace.context;
  head.context.span = attempt.span;
  head.parent = trace.context.span;
  head.tracestate = trace.tracestate;
  head.name = ClientSpanName(record);
  head.start_ns = WallNanoseconds(record, attempt.started);
  head.end_ns = WallNanoseconds(record, attempt.ended);
  SpanWriter span(out, head);
  const bool is_last = number + 1 == record.retries.attempts;
  PutClientAttributes(request, attempt, number, is_last, span);
  PutMeshTime(attempt.mesh, span);
  if (attempt.failure || attempt.status == 0 || attempt.status >= 400 ||
      (is_last && GrpcStatusNumber(record.grpc_status) > 0))
    span.Error(CauseOf(attempt.failure));
  span.End();
}

// The attempt that ended with a request which is not sampled.
AttemptTrace LastAttempt(const DecisionRecord& record) {
  AttemptTrace attempt;
  attempt.started = record.times.attempt_started;
  attempt.ended = record.times.ended;
  attempt.upstream = record.upstream.address;
  attempt.status = record.times.upstream_answered == loop::Instant() ? 0 : record.status;
  attempt.failure = record.failure;
  attempt.mesh = BeforeSending(record, record.times.ended);
  return attempt;
}

// All but the time of upstreams. By the loop's clock, which stands still within a turn: what was
// decided within one took as long as `now` says.
std::chrono::nanoseconds MeshTimeOf(const DecisionRecord& record, std::chrono::nanoseconds waited,
                                    RequestTrace::WallTime now) {
  const std::chrono::nanoseconds whole = record.times.ended - record.times.started;
  return whole.count() == 0 ? now - record.times.wall_started : whole - waited;
}

// Why a request that is not sampled is reported; empty: it is not.
std::string_view LateReason(const config::TracingSpec& tracing, const DecisionRecord& record) {
  if (tracing.always_on_error && HasFailed(record, GrpcStatusNumber(record.grpc_status)))
    return "error";
  const bool is_slow = tracing.slower_than != config::Milliseconds(0) &&
                       record.times.ended - record.times.started > tracing.slower_than;
  // The life of an upgraded connection tells nothing.
  return is_slow && !record.request->upgrade_wanted ? "slow" : std::string_view();
}

}  // namespace

SpanLog::SpanLog(loop::Loop& loop, CollectorSink* sink, telemetry::Registry& registry)
    : loop_(loop), too_many_(Dropped(registry, "late_limit")) {
  if (sink == nullptr) return;
  batches_.emplace(loop, *sink, Dropped(registry, "queue_full"),
                   Dropped(registry, "queue_full_errors"));
}

void SpanLog::Write(const EndedRequest& request) {
  const TracingRecord& trace = request.record.tracing;
  if (trace.id.empty() || !batches_) return;
  if (trace.spans != nullptr) return WriteSpans(request, *trace.spans);
  const config::TracingSpec& tracing =
      *std::get<config::HttpSpec>(request.downstream.chain->proxy).tracing;
  const std::string_view reason = LateReason(tracing, request.record);
  if (!reason.empty()) [[unlikely]]
    WriteLate(request, reason);
}

void SpanLog::WriteLate(const EndedRequest& request, std::string_view reason) {
  const DecisionRecord& record = request.record;
  if (!late_.Take(loop_.Now(), kLatePerSecond))
    return too_many_.Add(1 + std::min(record.retries.attempts, AttemptTraces::kMost));
  RequestTrace trace;
  trace.reason = reason;
  telemetry::ReadTraceId(record.tracing.id, trace.context);
  trace.context.span = record.tracing.span != 0 ? record.tracing.span : loop_.random().Next() | 1;
  trace.parent = record.tracing.parent;
  trace.tracestate = record.request->headers.Get(http::HeaderId::kTracestate);
  std::array<AttemptTrace, AttemptTraces::kMost> attempts;
  TakeAttempts(record, attempts, trace.attempts);
  trace.mesh = MeshTimeOf(record, trace.attempts.waited, loop_.WallNow());
  WriteSpans(request, trace);
}

// Those that had ended before, and the one that ended with the request.
void SpanLog::TakeAttempts(const DecisionRecord& record, std::span<AttemptTrace> room,
                           AttemptTraces& taken) {
  const AttemptTraces ended =
      record.tracing.ended == nullptr ? AttemptTraces() : *record.tracing.ended;
  const auto take = [&](const AttemptTrace& attempt) {
    if (taken.full()) return;
    AttemptTrace& own = room[taken.count++] = attempt;
    own.next = nullptr;
    own.span = loop_.random().Next() | 1;
    taken.Add(own);
  };
  for (const AttemptTrace* one = ended.first; one != nullptr; one = one->next) take(*one);
  taken.waited = ended.waited;
  if (ended.count == record.retries.attempts) return;
  const AttemptTrace last = LastAttempt(record);
  taken.waited += last.ended - last.started - last.mesh;
  take(last);
}

void SpanLog::WriteSpans(const EndedRequest& request, const RequestTrace& trace) {
  const auto& tracing = std::get<config::HttpSpec>(request.downstream.chain->proxy).tracing;
  const bool is_kept = !trace.reason.empty() ||
                       HasFailed(request.record, GrpcStatusNumber(request.record.grpc_status));
  CollectorBatches::Batch& batch = batches_->For(tracing->collector, is_kept);
  PutServerSpan(request, trace, batch.records);
  uint64_t attempts = 0;
  for (const AttemptTrace* one = trace.attempts.first; one != nullptr && tracing->span_per_attempt;
       one = one->next) {
    PutAttemptSpan(request, trace, *one, attempts++, batch.records);
  }
  batches_->Wrote(batch, 1 + attempts);
}

void SpanLog::Flush() {
  if (batches_) batches_->Flush();
}

}  // namespace tulle::proxy
