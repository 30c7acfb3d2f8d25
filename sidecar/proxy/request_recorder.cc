#include "sidecar/proxy/request_recorder.h"

#include <utility>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/record_numbers.h"
#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

using recorder::Numbers;
using recorder::RecordWriter;
using recorder::Text;

// A path is cut there anyway.
constexpr size_t kLongestPath = 248;

uint16_t MarksOf(const EndedRequest& request, int grpc_status) {
  const DecisionRecord& record = request.record;
  const EndedDownstream& downstream = request.downstream;
  const bool outbound = downstream.direction != config::Direction::kInbound;
  const bool mutual_tls = outbound ? record.upstream.is_tls && !record.upstream.peer.empty()
                                   : downstream.tls && downstream.peer != nullptr;
  const auto mark = [](bool set, recorder::Mark which) { return set ? which : 0; };
  return static_cast<uint16_t>(mark(outbound, recorder::kOutbound) |
                               mark(mutual_tls, recorder::kMutualTls) |
                               mark(HasFailed(record, grpc_status), recorder::kFailed) |
                               mark(record.retries.exhausted, recorder::kRetriesExhausted) |
                               mark(record.retries.refused, recorder::kRetryBudgetExhausted) |
                               mark(record.delay_injected, recorder::kDelayInjected));
}

Numbers NumbersOf(const EndedRequest& request) {
  const DecisionRecord& record = request.record;
  const RequestTimes& times = record.times;
  const int grpc_status = record.grpc_status.empty() ? -1 : GrpcStatusNumber(record.grpc_status);
  Numbers numbers;
  numbers.wall_started = UnixNanoseconds(times.wall_started);
  numbers.request_ended = Since(times.started, times.request_ended);
  numbers.upstream_asked = Since(times.started, times.upstream_asked);
  numbers.upstream_answered = Since(times.started, times.upstream_answered);
  numbers.ended = Since(times.started, times.ended);
  numbers.request_bytes = record.bytes.request;
  numbers.response_bytes = record.bytes.response;
  PutSource(request.downstream.remote, numbers);
  PutEndpoint(record.upstream.address, numbers);
  numbers.status = static_cast<uint16_t>(record.status);
  numbers.attempts = record.retries.attempts;
  numbers.marks = MarksOf(request, grpc_status);
  numbers.grpc_status = static_cast<int8_t>(grpc_status);
  return numbers;
}

// Without the query, which may hold secrets.
std::string_view PathOf(const DecisionRecord& record) {
  const std::string_view path = record.original_path.substr(0, kLongestPath);
  return path.substr(0, path.find('?'));
}

void PutRequest(const EndedRequest& request, RecordWriter& writer) {
  const DecisionRecord& record = request.record;
  if (record.request != nullptr)
    writer.Put<Text::kRequestId>(record.request->headers.Get(http::HeaderId::kXRequestId));
  writer.Put<Text::kTraceId>(record.tracing.id);
  if (record.failure) {
    writer.Put<Text::kFlag>(record.failure.facts().flag);
    writer.Put<Text::kCause>(record.failure.facts().cause);
  }
  if (record.request != nullptr) writer.Put<Text::kMethod>(record.request->method);
}

void PutRouting(const EndedRequest& request, RecordWriter& writer) {
  const DecisionRecord& record = request.record;
  writer.Put<Text::kPolicy>(record.policy);
  writer.Put<Text::kService>(ServiceOf(request.downstream, record.routed.service));
  writer.Put<Text::kRoute>(record.routed.route);
  if (request.downstream.peer != nullptr)
    writer.Put<Text::kSource>(request.downstream.peer->spiffe_id);
  writer.Put<Text::kDestination>(record.upstream.peer);
  writer.Put<Text::kCluster>(record.routed.cluster);
  if (record.request != nullptr) {
    writer.Put<Text::kAuthority>(record.request->authority);
    writer.Put<Text::kPath>(PathOf(record));
  }
  if (!record.failure) return;
  const std::string_view detail = record.failure.detail;
  writer.Put<Text::kDetail>(detail.empty() ? record.failure.facts().detail : detail);
}

}  // namespace

void RequestRecorder::Write(const Call& call, const EndedRequest& request) {
  if (into_ == nullptr) return;
  bool failed = false;
  const uint64_t number = into_->ring.Write([&](RecordWriter& writer) {
    Numbers numbers = NumbersOf(request);
    numbers.configured = UnixNanoseconds(call.services.configured);
    failed = (numbers.marks & recorder::kFailed) != 0;
    writer.PutNumbers(numbers);
    PutRequest(request, writer);
    PutRouting(request, writer);
  });
  if (failed) [[unlikely]]
    KeepFailure(call, number);
  if (into_->headers.is_on()) [[unlikely]]
    ShowHeaders(request, number);
}

void RequestRecorder::ShowHeaders(const EndedRequest& request, uint64_t number) {
  if (const auto record = into_->ring.Read(number))
    into_->headers.OnEnd(*record, request.record.request, request.response);
}

void RequestRecorder::KeepFailure(const Call& call, uint64_t number) {
  if (!into_->failures.Note(loop_.Now().time_since_epoch())) return;
  std::vector<recorder::KeptDecision> decisions;
  for (KeptDecision& one : ExplainFailure(call)) {
    decisions.push_back(
        {TextOf(one.kind), one.positive, std::move(one.subject), std::move(one.reason)});
  }
  if (const auto record = into_->ring.Read(number))
    into_->failures.Keep(*record, std::move(decisions));
}

}  // namespace tulle::proxy
