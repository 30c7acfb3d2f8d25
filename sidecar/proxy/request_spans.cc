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
constexpr std::string_view kBaggage = "baggage";

// Empty if the header is invalid or occurs several times.
std::optional<TracePoint> ParentIn(const http::HeaderMap& headers) {
  const http::Header* only = nullptr;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kTraceparent) continue;
    if (only != nullptr) return std::nullopt;
    only = &header;
  }
  return only == nullptr ? std::nullopt : telemetry::ParseTraceparent(only->value);
}

bool IsStateValid(const http::HeaderMap& headers) {
  size_t size = 0;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kTracestate) continue;
    size += header.value.size();
    if (size > telemetry::kMaxTracestate || !telemetry::IsTracestate(header.value)) return false;
  }
  return true;
}

bool IsBaggageValid(const http::HeaderMap& headers) {
  size_t size = 0;
  size_t members = 0;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kOther || !http::EqualsIgnoreCase(header.name, kBaggage)) continue;
    size += header.value.size();
    if (size > telemetry::kMaxBaggage) return false;
    members += 1 + static_cast<size_t>(std::count(header.value.begin(), header.value.end(), ','));
  }
  return members <= telemetry::kMaxBaggageMembers;
}

// Never zero, which means no span.
uint64_t NewSpanId(loop::Random& random) { return random.Next() | 1; }

// The context of a request that came without a valid one.
TracePoint NewTrace(const config::TracingSpec& tracing, loop::Random& random,
                    const http::HeaderMap& headers) {
  TracePoint context;
  context.trace_high = random.Next();
  context.trace_low = random.Next();
  context.span = NewSpanId(random);
  // On inbound chains x-envoy-* of others has been removed already.
  const bool sampled =
      random.Below(kMillion) < tracing.random_sampling || headers.Find("x-envoy-force-trace") ||
      (headers.Find("x-client-trace-id") && random.Below(kMillion) < tracing.client_sampling);
  context.flags = sampled ? TracePoint::kSampled : 0;
  return context;
}

void Write(const TracePoint& context, char* text) {
  telemetry::WriteTraceparent(
      context, std::span<char, telemetry::kTraceparentSize>(text, telemetry::kTraceparentSize));
}

// Removes what is invalid beside the parent; returns the parent, if there is a valid one.
std::optional<TracePoint> TakeParent(http::HeaderMap& headers) {
  const std::optional<TracePoint> parent =
      headers.Has(HeaderId::kTraceparent) ? ParentIn(headers) : std::nullopt;
  if (headers.Has(HeaderId::kTracestate) && (!parent || !IsStateValid(headers)))
    headers.Remove(HeaderId::kTracestate);
  if (!IsBaggageValid(headers)) headers.Remove(kBaggage);
  return parent;
}

}  // namespace

void RequestSpans::Begin(Call& call) {
  const config::TracingSpec* tracing = call.chain.spec.tracing.get();
  if (tracing == nullptr) return;
  http::HeaderMap& headers = call.request.head->headers;
  const std::optional<TracePoint> parent = TakeParent(headers);
  TracePoint context = parent ? *parent : NewTrace(*tracing, call.services.loop.random(), headers);
  // By the trace's own number, so that all hops decide the same.
  if (context.sampled() && context.trace_low % kMillion >= tracing->overall_sampling)
    context.flags = static_cast<uint8_t>(context.flags & ~TracePoint::kSampled);
  if (parent && !context.sampled() && !parent->sampled()) {
    call.record.tracing.id = headers.Get(HeaderId::kTraceparent).substr(3, 32);
    return;  // forwarded as it came
  }
  traceparent_ = call.arena.NewArray<char>(telemetry::kTraceparentSize);
  if (context.sampled()) Sample(call, context, parent ? parent->span : 0);
  Write(context, traceparent_);
  headers.Set(HeaderId::kTraceparent, {traceparent_, telemetry::kTraceparentSize});
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
