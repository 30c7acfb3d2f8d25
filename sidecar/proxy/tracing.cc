// The request's place in a trace: continued or begun, and told to the upstream, with a span of its
// own for each attempt. Source: W3C Trace Context and Baggage; HttpConnectionManager.tracing.

#include <algorithm>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

using http::HeaderId;
using telemetry::TracePoint;

constexpr uint32_t kMillion = 1000000;
constexpr std::string_view kBaggage = "baggage";

// Several headers, or one that is not valid: none.
std::optional<TracePoint> ParentIn(const http::HeaderMap& headers) {
  const http::Header* only = nullptr;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kTraceparent) continue;
    if (only != nullptr) return std::nullopt;
    only = &header;
  }
  return only == nullptr ? std::nullopt : telemetry::ParseTraceparent(only->value);
}

bool StateIsGood(const http::HeaderMap& headers) {
  size_t size = 0;
  for (const http::Header& header : headers.all()) {
    if (header.id != HeaderId::kTracestate) continue;
    size += header.value.size();
    if (size > telemetry::kMaxTracestate || !telemetry::IsTracestate(header.value)) return false;
  }
  return true;
}

bool BaggageIsGood(const http::HeaderMap& headers) {
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

// Zero is no span.
uint64_t NewSpanId(loop::Random& random) { return random.Next() | 1; }

}  // namespace

void Exchange::TakeTrace() {
  const config::TracingSpec* tracing = chain_.spec.tracing.get();
  if (tracing == nullptr) return;
  http::HeaderMap& headers = request_->headers;
  const std::optional<TracePoint> parent =
      headers.Has(HeaderId::kTraceparent) ? ParentIn(headers) : std::nullopt;
  if (headers.Has(HeaderId::kTracestate) && (!parent || !StateIsGood(headers)))
    headers.Remove(HeaderId::kTracestate);
  if (!BaggageIsGood(headers)) headers.Remove(kBaggage);
  TracePoint context = parent ? *parent : BeginTrace(*tracing);
  // By the trace's own number, so that all hops draw the same lot.
  if (context.sampled() && context.trace_low % kMillion >= tracing->overall_sampling)
    context.flags = static_cast<uint8_t>(context.flags & ~TracePoint::kSampled);
  if (parent && !context.sampled() && !parent->sampled()) {
    record_.trace_id = headers.Get(HeaderId::kTraceparent).substr(3, 32);
    return;  // as it came
  }
  traceparent_ = arena_.NewArray<char>(telemetry::kTraceparentSize);
  if (context.sampled()) StartTrace(context, parent ? parent->span : 0);
  telemetry::WriteTraceparent(context, std::span<char, telemetry::kTraceparentSize>(
                                           traceparent_, telemetry::kTraceparentSize));
  headers.Set(HeaderId::kTraceparent, {traceparent_, telemetry::kTraceparentSize});
  record_.trace_id = {traceparent_ + 3, 32};
}

TracePoint Exchange::BeginTrace(const config::TracingSpec& tracing) {
  loop::Random& random = services_.loop.random();
  const http::HeaderMap& headers = request_->headers;
  TracePoint context;
  context.trace_high = random.Next();
  context.trace_low = random.Next();
  context.span = NewSpanId(random);
  // Inbound, x-envoy-* of others is gone already.
  const bool sampled =
      random.Below(kMillion) < tracing.random_sampling || headers.Find("x-envoy-force-trace") ||
      (headers.Find("x-client-trace-id") && random.Below(kMillion) < tracing.client_sampling);
  context.flags = sampled ? TracePoint::kSampled : 0;
  return context;
}

void Exchange::StartTrace(TracePoint& context, uint64_t parent) {
  trace_ = arena_.New<RequestTrace>();
  if (parent != 0) context.span = NewSpanId(services_.loop.random());
  trace_->context = context;
  trace_->parent = parent;
  trace_->tracestate = request_->headers.Get(HeaderId::kTracestate);
  trace_->ours_since = record_.wall_started;
  record_.trace = trace_;
}

void Exchange::StartAttemptTrace() {
  if (trace_ == nullptr || trace_->attempts == RequestTrace::kMostAttempts) return;
  ++trace_->attempts;
  auto* attempt = arena_.New<AttemptTrace>();
  (trace_->last == nullptr ? trace_->first : trace_->last->next) = attempt;
  trace_->last = attempt;
  attempt->started = services_.loop.Now();
  attempt->upstream = attempt_->endpoint().spec().address;
  attempt->span = NewSpanId(services_.loop.random());
  if (!chain_.spec.tracing->span_per_attempt) return;
  TracePoint context = trace_->context;
  context.span = attempt->span;
  telemetry::WriteTraceparent(context, std::span<char, telemetry::kTraceparentSize>(
                                           traceparent_, telemetry::kTraceparentSize));
}

void Exchange::EndAttemptTrace(int status, Failure failure) {
  if (trace_ == nullptr || trace_->last == nullptr || trace_->last->ended != loop::Instant())
    return;
  trace_->last->ended = services_.loop.Now();
  trace_->last->status = status;
  trace_->last->failure = failure;
}

// The wall clock, since the loop's stands still within a turn.
void Exchange::CountMeshTime(bool ours) {
  if (trace_ == nullptr || trace_->ours == ours) return;
  trace_->ours = ours;
  const auto now = services_.loop.WallNow();
  if (ours) {
    trace_->ours_since = now;
  } else if (now > trace_->ours_since) {
    trace_->mesh += now - trace_->ours_since;
  }
}

}  // namespace tulle::proxy
