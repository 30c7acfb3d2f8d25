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
  trace_ = call.arena.New<RequestTrace>();
  if (parent != 0) context.span = NewSpanId(call.services.loop.random());
  trace_->context = context;
  trace_->parent = parent;
  trace_->tracestate = call.request.head->headers.Get(HeaderId::kTracestate);
  trace_->ours_since = call.record.times.wall_started;
  call.record.tracing.spans = trace_;
}

void RequestSpans::BeginAttempt(Call& call, const SocketAddress& upstream) {
  if (trace_ == nullptr || trace_->attempts == RequestTrace::kMostAttempts) return;
  ++trace_->attempts;
  auto* attempt = call.arena.New<AttemptTrace>();
  (trace_->last == nullptr ? trace_->first : trace_->last->next) = attempt;
  trace_->last = attempt;
  attempt->started = call.services.loop.Now();
  attempt->upstream = upstream;
  attempt->span = NewSpanId(call.services.loop.random());
  if (!call.chain.spec.tracing->span_per_attempt) return;
  TracePoint context = trace_->context;
  context.span = attempt->span;
  Write(context, traceparent_);
  SetB3Headers(b3_, context, trace_->context.span, call.request.head->headers);
}

void RequestSpans::RecordEnd(Call& call, int status, Failure failure) {
  if (trace_->last == nullptr || trace_->last->ended != loop::Instant()) return;
  trace_->last->ended = call.services.loop.Now();
  trace_->last->status = status;
  trace_->last->failure = failure;
}

// By the wall clock, since the loop's does not advance within a turn.
void RequestSpans::SwitchMeshTime(Call& call, bool ours) {
  trace_->ours = ours;
  const auto now = call.services.loop.WallNow();
  if (ours) {
    trace_->ours_since = now;
  } else if (now > trace_->ours_since) {
    trace_->mesh += now - trace_->ours_since;
  }
}

}  // namespace tulle::proxy
