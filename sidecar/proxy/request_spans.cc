#include "sidecar/proxy/request_spans.h"

#include <algorithm>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

using http::HeaderId;
using telemetry::TracePoint;

constexpr uint32_t kMillion = 1000000;

// Never zero, which means no span.
uint64_t NewSpanId(loop::Random& random) { return random.Next() | 1; }

// Whether the limit lets one more trace begin here.
bool MayBegin(Call& call, const config::TracingSpec& tracing) {
  return tracing.traces_per_second == 0 ||
         call.services.new_traces.Take(call.services.loop.Now(), tracing.traces_per_second);
}

// Whether a trace has spans for which no caller has decided that.
bool Samples(Call& call, const config::TracingSpec& tracing) {
  const http::HeaderMap& headers = call.request.head->headers;
  // On inbound chains x-envoy-* of others has been removed already.
  if (headers.Find("x-envoy-force-trace")) return true;
  loop::Random& random = call.services.loop.random();
  const bool chosen =
      random.Below(kMillion) < tracing.random_sampling ||
      (headers.Find("x-client-trace-id") && random.Below(kMillion) < tracing.client_sampling);
  return chosen && MayBegin(call, tracing);
}

// The context of a request that came without a valid one.
TracePoint NewTrace(loop::Random& random) {
  TracePoint context;
  context.trace_high = random.Next();
  context.trace_low = random.Next();
  context.span = NewSpanId(random);
  return context;
}

void Write(const TracePoint& context, char* text) {
  telemetry::WriteTraceparent(
      context, std::span<char, telemetry::kTraceparentSize>(text, telemetry::kTraceparentSize));
}

// The context that the caller has passed on, if its headers were valid. traceparent prevails.
std::optional<TracePoint> CallersContext(const TraceHeaders& came) {
  if (came.parent || !came.b3 || !came.b3->has_trace()) return came.parent;
  return TracePoint{came.b3->trace_high, came.b3->trace_low, came.b3->span,
                    came.b3->sampled() ? TracePoint::kSampled : uint8_t{0}};
}

// Whether the caller has left it open if the trace has spans.
bool IsUndecided(const TraceHeaders& came) {
  return !came.parent && (!came.b3 || came.b3->decision == telemetry::B3Decision::kDeferred);
}

}  // namespace

std::chrono::nanoseconds BeforeSending(const DecisionRecord& record, loop::Instant ended) {
  const loop::Instant sent = record.upstream.was_asked ? record.times.upstream_asked : ended;
  return std::max(sent - record.times.attempt_started, std::chrono::nanoseconds(0));
}

void RequestSpans::Begin(Call& call) {
  const config::TracingSpec* tracing = call.chain.spec.tracing.get();
  if (tracing == nullptr) return;
  http::HeaderMap& headers = call.request.head->headers;
  loop::Random& random = call.services.loop.random();
  const TraceHeaders came = TakeTraceHeaders(headers);
  const std::optional<TracePoint> parent = CallersContext(came);
  TracePoint context = parent ? *parent : NewTrace(random);
  if (IsUndecided(came)) {
    context.flags = Samples(call, *tracing) ? TracePoint::kSampled : 0;
  } else if (!parent) {  // B3 headers with a decision and no trace
    context.flags = came.b3->sampled() && MayBegin(call, *tracing) ? TracePoint::kSampled : 0;
  }
  // By the trace's own number, so that all hops decide the same.
  if (context.sampled() && context.trace_low % kMillion >= tracing->overall_sampling)
    context.flags = static_cast<uint8_t>(context.flags & ~TracePoint::kSampled);
  if (!context.sampled()) {
    (parent ? call.record.tracing.parent : call.record.tracing.span) = context.span;
  }
  b3_ = came.b3_style;
  if (came.parent && !context.sampled() && !came.parent->sampled()) {
    SetB3Headers(b3_, context, 0, headers);
    call.record.tracing.id = headers.Get(HeaderId::kTraceparent).substr(3, 32);
    return;  // forwarded as it came
  }
  traceparent_ = call.arena.NewArray<char>(telemetry::kTraceparentSize);
  uint64_t parent_span = came.parent || !came.b3 ? 0 : came.b3->parent;
  if (context.sampled()) {
    parent_span = parent ? parent->span : 0;
    Sample(call, context, parent_span);
  }
  Write(context, traceparent_);
  headers.Set(HeaderId::kTraceparent, {traceparent_, telemetry::kTraceparentSize});
  SetB3Headers(b3_, context, parent_span, headers);
  call.record.tracing.id = {traceparent_ + 3, 32};
}

void RequestSpans::Sample(Call& call, TracePoint& context, uint64_t parent) {
  RequestTrace* trace = call.arena.New<RequestTrace>();
  if (parent != 0) context.span = NewSpanId(call.services.loop.random());
  trace->context = context;
  trace->parent = parent;
  trace->tracestate = call.request.head->headers.Get(HeaderId::kTracestate);
  trace->ours_since = call.record.times.wall_started;
  call.record.tracing.spans = trace;
}

void RequestSpans::BeginAttempt(Call& call, const SocketAddress& upstream) {
  call.record.times.attempt_started = call.services.loop.Now();
  RequestTrace* trace = call.record.tracing.spans;
  if (trace == nullptr || trace->attempts.full()) return;
  ++trace->attempts.count;
  auto* attempt = call.arena.New<AttemptTrace>();
  trace->attempts.Add(*attempt);
  trace->mesh_before = trace->MeshUntil(call.services.loop.WallNow());
  attempt->started = call.record.times.attempt_started;
  attempt->upstream = upstream;
  attempt->span = NewSpanId(call.services.loop.random());
  if (!call.chain.spec.tracing->span_per_attempt) return;
  TracePoint context = trace->context;
  context.span = attempt->span;
  Write(context, traceparent_);
  SetB3Headers(b3_, context, trace->context.span, call.request.head->headers);
}

void RequestSpans::EndAttempt(Call& call, int status, Failure failure) {
  if (call.record.tracing.spans != nullptr) return RecordEnd(call, status, failure);
  const config::TracingSpec* tracing = call.chain.spec.tracing.get();
  if (tracing != nullptr && tracing->may_report_late()) KeepEnd(call, status, failure);
}

void RequestSpans::RecordEnd(Call& call, int status, Failure failure) {
  const RequestTrace& trace = *call.record.tracing.spans;
  AttemptTrace* attempt = trace.attempts.last;
  if (attempt == nullptr || attempt->ended != loop::Instant()) return;
  attempt->ended = call.services.loop.Now();
  attempt->status = status;
  attempt->failure = failure;
  attempt->mesh = trace.MeshUntil(call.services.loop.WallNow()) - trace.mesh_before;
}

// By the loop's clock: the times of ordinary requests must not cost a look at the other one.
void RequestSpans::KeepEnd(Call& call, int status, Failure failure) {
  DecisionRecord& record = call.record;
  if (record.tracing.ended == nullptr) record.tracing.ended = call.arena.New<AttemptTraces>();
  AttemptTraces& ended = *record.tracing.ended;
  if (ended.count == record.retries.attempts) return;
  ended.count = record.retries.attempts;
  const loop::Instant now = call.services.loop.Now();
  const std::chrono::nanoseconds mesh = BeforeSending(record, now);
  ended.waited += now - record.times.attempt_started - mesh;
  if (ended.count > AttemptTraces::kMost) return;
  auto* attempt = call.arena.New<AttemptTrace>();
  ended.Add(*attempt);
  attempt->started = record.times.attempt_started;
  attempt->ended = now;
  attempt->upstream = record.upstream.address;
  attempt->status = status;
  attempt->failure = failure;
  attempt->mesh = mesh;
}

// By the wall clock, since the loop's does not advance within a turn.
void RequestSpans::SwitchMeshTime(Call& call, bool ours) {
  RequestTrace& trace = *call.record.tracing.spans;
  const auto now = call.services.loop.WallNow();
  trace.mesh = trace.MeshUntil(now);
  trace.ours = ours;
  trace.ours_since = now;
}

}  // namespace tulle::proxy
