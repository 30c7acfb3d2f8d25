#include "sidecar/proxy/span_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "sidecar/proxy/address_text.h"
#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/families.h"
#include "telemetry/otlp_span.h"

namespace tulle::proxy {
namespace {

using telemetry::SpanHead;
using telemetry::SpanKind;
using telemetry::SpanWriter;

constexpr std::string_view kQueueFull = "queue_full";
constexpr std::string_view kQueueFullErrors = "queue_full_errors";
constexpr std::string_view kTooManyLate = "late_limit";

// Source: OpenTelemetry's semantic conventions: unknown methods are _OTHER, so that there are few
// names.
std::string_view MethodOf(const http::Head& head) {
  constexpr std::string_view kKnown[] = {"GET",   "POST",    "PUT",   "DELETE", "HEAD",
                                         "PATCH", "OPTIONS", "TRACE", "CONNECT"};
  const auto known = std::find(std::begin(kKnown), std::end(kKnown), head.method);
  return known == std::end(kKnown) ? std::string_view("_OTHER") : *known;
}

uint64_t Nanoseconds(std::chrono::nanoseconds since_epoch) {
  return static_cast<uint64_t>(since_epoch.count());
}

// The wall clock at a moment of the loop's.
uint64_t WallNanoseconds(const DecisionRecord& record, loop::Instant at) {
  const auto passed = at > record.times.started ? at - record.times.started : loop::Duration(0);
  return Nanoseconds(record.times.wall_started.time_since_epoch() + passed);
}

bool GrpcFailed(int status, SpanKind kind) {
  if (status <= 0) return false;
  if (kind == SpanKind::kClient) return true;
  return IsGrpcServerError(status);
}

void PutStatus(int status, SpanWriter& span) {
  if (status > 0) span.Number("http.response.status_code", static_cast<uint64_t>(status));
}

// Of "/package.Service/Method"; empty: not gRPC. Source: OpenTelemetry's conventions for RPC.
std::string_view RpcMethodOf(const DecisionRecord& record) {
  if (record.grpc == nullptr) return {};
  const std::string_view path = record.original_path;
  return path.starts_with('/') ? path.substr(1, path.find('?') - 1) : std::string_view();
}

void PutRpc(std::string_view method, SpanWriter& span) {
  if (method.empty()) return;
  span.Text("rpc.system.name", "grpc");
  span.Text("rpc.method", method);
}

void PutRpcStatus(const DecisionRecord& record, SpanWriter& span) {
  const int status = GrpcStatusNumber(record.grpc_status);
  if (status < 0) return;
  span.Text("rpc.response.status_code", GrpcStatusConstant(status));
  span.Number("rpc.grpc.status_code", static_cast<uint64_t>(status));  // the former convention
}

std::string_view CauseOf(const Failure& failure) {
  return failure ? failure.facts().cause : std::string_view();
}

void PutRequest(const EndedRequest& request, SpanWriter& span) {
  const http::Head& head = *request.record.request;
  const config::TracingSpec& tracing =
      *std::get<config::HttpSpec>(request.downstream.chain->proxy).tracing;
  span.Text("http.request.method", MethodOf(head));
  const std::string_view path = request.record.original_path;
  span.Text("url.path", path.substr(0, path.find('?')).substr(0, tracing.longest_path));
  span.Text("url.scheme", request.downstream.tls ? "https" : "http");
  span.Text("server.address", head.authority);
  span.Text("http.route", request.record.routed.route);
  if (!head.method.empty())
    span.Text("network.protocol.version", head.version == http::Version::kHttp2 ? "2" : "1.1");
  span.Text("user_agent.original", head.headers.Get(http::HeaderId::kUserAgent));
  span.Text("guid:x-request-id", head.headers.Get(http::HeaderId::kXRequestId));
  for (const auto& [tag, value] : tracing.literal_tags) span.Text(tag, value);
  for (const auto& [tag, name] : tracing.header_tags) {
    const http::Header* header = head.headers.Find(name);
    if (header != nullptr) span.Text(tag, header->value);
  }
}

void PutOutcome(const EndedRequest& request, const RequestTrace& trace, SpanWriter& span) {
  const DecisionRecord& record = request.record;
  std::array<char, 64> scratch;
  PutStatus(record.status, span);
  span.Text("response_flags", ResponseFlags(record, scratch));
  span.Text("upstream_cluster", record.routed.cluster);
  PutRpcStatus(record, span);
  span.Text("error.type", CauseOf(record.failure));
  if (!trace.reason.empty()) return span.Text("tulle.sampling.reason", trace.reason);
  span.Number("tulle.mesh.microseconds",
              static_cast<uint64_t>(
                  std::chrono::duration_cast<std::chrono::microseconds>(trace.mesh).count()));
}

// Few, since collectors group by them: neither a path nor a host is one.
std::string_view NameOf(const DecisionRecord& record) {
  const std::string_view rpc = RpcMethodOf(record);
  return rpc.empty() ? MethodOf(*record.request) : rpc;
}

// Why an attempt was not the last one.
std::string_view RetryReasonOf(const AttemptTrace& attempt, std::span<char> scratch) {
  if (attempt.failure) return attempt.failure.facts().cause;
  const auto end =
      std::to_chars(scratch.data(), scratch.data() + scratch.size(), attempt.status).ptr;
  return {scratch.data(), static_cast<size_t>(end - scratch.data())};
}

void PutEvents(const DecisionRecord& record, const RequestTrace& trace, SpanWriter& span) {
  const uint64_t started = WallNanoseconds(record, record.times.started);
  if (record.delay_injected) span.Event(started, "fault", "fault.type", "delay");
  std::array<char, 16> scratch;
  for (const AttemptTrace* one = trace.first; one != nullptr; one = one->next) {
    if (one->next == nullptr) break;
    span.Event(WallNanoseconds(record, one->ended), "retry", "retry.reason",
               RetryReasonOf(*one, scratch));
  }
  if (record.retries.refused)
    span.Event(WallNanoseconds(record, record.times.ended), "retry refused", "retry.limit",
               "budget");
}

void PutServerSpan(const EndedRequest& request, const RequestTrace& trace, std::string& out) {
  const DecisionRecord& record = request.record;
  SpanHead head;
  head.context = trace.context;
  head.parent = trace.parent;
  head.parent_is_remote = true;
  head.tracestate = trace.tracestate;
  head.name = record.routed.operation.empty() ? NameOf(record) : record.routed.operation;
  head.start_ns = WallNanoseconds(record, record.times.started);
  head.end_ns = WallNanoseconds(record, record.times.ended);
  SpanWriter span(out, head);
  PutRequest(request, span);
  PutRpc(RpcMethodOf(record), span);
  AddressText address;
  span.Text("network.peer.address", address.Host(request.downstream.remote));
  if (request.downstream.peer != nullptr)
    span.Text("tulle.peer", request.downstream.peer->spiffe_id);
  const bool outbound = request.downstream.direction == config::Direction::kOutbound;
  span.Text("tulle.direction", outbound ? "outbound" : "inbound");
  PutOutcome(request, trace, span);
  PutEvents(record, trace, span);
  if (record.status == 0 || record.status >= 500 ||
      GrpcFailed(GrpcStatusNumber(record.grpc_status), head.kind)) {
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
  head.name = NameOf(record);
  head.start_ns = WallNanoseconds(record, attempt.started);
  head.end_ns = WallNanoseconds(record, attempt.ended);
  SpanWriter span(out, head);
  AddressText address;
  span.Text("http.request.method", MethodOf(*record.request));
  PutRpc(RpcMethodOf(record), span);
  span.Text("server.address", address.Host(attempt.upstream));
  span.Number("server.port", attempt.upstream.port());
  span.Text("upstream_cluster", record.routed.cluster);
  if (number > 0) span.Number("http.request.resend_count", number);
  PutStatus(attempt.status, span);
  const bool is_last = attempt.next == nullptr;
  if (is_last) PutRpcStatus(record, span);
  span.Text("error.type", CauseOf(attempt.failure));
  if (attempt.failure || attempt.status == 0 || attempt.status >= 400 ||
      (is_last && GrpcFailed(GrpcStatusNumber(record.grpc_status), head.kind)))
    span.Error(CauseOf(attempt.failure));
  span.End();
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
    : loop_(loop), too_many_(registry.CounterRow(telemetry::kSpansDropped, {&kTooManyLate, 1})) {
  telemetry::Counter& dropped = registry.CounterRow(telemetry::kSpansDropped, {&kQueueFull, 1});
  telemetry::Counter& dropped_errors =
      registry.CounterRow(telemetry::kSpansDropped, {&kQueueFullErrors, 1});
  if (sink != nullptr) batches_.emplace(loop, *sink, dropped, dropped_errors);
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

// Of the attempts only the last is known.
void SpanLog::WriteLate(const EndedRequest& request, std::string_view reason) {
  const DecisionRecord& record = request.record;
  const bool was_sent = record.upstream.address.is_set();
  if (!late_.Take(loop_.Now(), kLatePerSecond)) return too_many_.Add(was_sent ? 2 : 1);
  RequestTrace trace;
  trace.reason = reason;
  telemetry::ReadTraceId(record.tracing.id, trace.context);
  trace.context.span = record.tracing.span != 0 ? record.tracing.span : loop_.random().Next() | 1;
  trace.parent = record.tracing.parent;
  trace.tracestate = record.request->headers.Get(http::HeaderId::kTracestate);
  AttemptTrace attempt;
  if (was_sent) {
    attempt.span = loop_.random().Next() | 1;
    attempt.started = std::max(record.times.upstream_asked, record.times.started);
    attempt.ended = record.times.ended;
    attempt.upstream = record.upstream.address;
    attempt.status = record.failure ? 0 : record.status;
    attempt.failure = record.failure;
    trace.first = trace.last = &attempt;
    trace.attempts = 1;
  }
  WriteSpans(request, trace);
}

void SpanLog::WriteSpans(const EndedRequest& request, const RequestTrace& trace) {
  const auto& tracing = std::get<config::HttpSpec>(request.downstream.chain->proxy).tracing;
  const bool errors = HasFailed(request.record, GrpcStatusNumber(request.record.grpc_status));
  CollectorBatches::Batch& batch = batches_->For(tracing->collector, errors);
  PutServerSpan(request, trace, batch.records);
  uint64_t count = 1;
  const uint64_t attempts = request.record.retries.attempts;
  uint64_t number = trace.reason.empty() || attempts == 0 ? 0 : attempts - 1;
  for (const AttemptTrace* one = trace.first; one != nullptr && tracing->span_per_attempt;
       one = one->next) {
    PutAttemptSpan(request, trace, *one, number++, batch.records);
    ++count;
  }
  batches_->Wrote(batch, count);
}

void SpanLog::Flush() {
  if (batches_) batches_->Flush();
}

}  // namespace tulle::proxy
