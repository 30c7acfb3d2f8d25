#include "sidecar/proxy/request_recorder.h"

#include <netinet/in.h>

#include <cstdint>
#include <cstring>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/record_numbers.h"
#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

using recorder::RecordWriter;
using recorder::Text;

// A path is cut there anyway.
constexpr size_t kLongestPath = 248;

// An address as a record has it.
struct PackedAddress {
  uint64_t ip[2] = {0, 0};
  uint64_t port = 0;
  uint64_t ip_size = 0;  // 0: it is unset
};

PackedAddress Pack(const SocketAddress& address) {
  PackedAddress packed;
  if (!address.is_set()) return packed;
  packed.port = address.port();
  if (!address.is_v6()) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address.get());
    packed.ip[0] = v4->sin_addr.s_addr;
    packed.ip_size = 4;
    return packed;
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address.get());
  std::memcpy(packed.ip, &v6->sin6_addr, sizeof(packed.ip));
  packed.ip_size = 16;
  return packed;
}

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

void PutTimes(const RequestTimes& times, RecordWriter& writer) {
  using namespace recorder;
  writer.PutNumber(kWallStarted, static_cast<uint64_t>(UnixNanoseconds(times.wall_started)));
  writer.PutNumber(kRequestEnded, Since(times.started, times.request_ended));
  writer.PutNumber(kUpstreamAsked, Since(times.started, times.upstream_asked));
  writer.PutNumber(kUpstreamAnswered, Since(times.started, times.upstream_answered));
  writer.PutNumber(kEnded, Since(times.started, times.ended));
}

// Returns the marks.
uint16_t PutNumbers(const EndedRequest& request, RecordWriter& writer) {
  using namespace recorder;
  const DecisionRecord& record = request.record;
  const int grpc_status = record.grpc_status.empty() ? -1 : GrpcStatusNumber(record.grpc_status);
  const uint16_t marks = MarksOf(request, grpc_status);
  const PackedAddress source = Pack(request.downstream.remote);
  const PackedAddress endpoint = Pack(record.upstream.address);
  PutTimes(record.times, writer);
  writer.PutNumber(kRequestBytes, record.bytes.request);
  writer.PutNumber(kResponseBytes, record.bytes.response);
  for (const size_t i : {0, 1}) {
    writer.PutNumber(static_cast<NumberWord>(kSourceIp + i), source.ip[i]);
    writer.PutNumber(static_cast<NumberWord>(kEndpointIp + i), endpoint.ip[i]);
  }
  writer.PutNumber(kPortsAndStatus, source.port | endpoint.port << 16 | source.ip_size << 32 |
                                        endpoint.ip_size << 40 |
                                        uint64_t{static_cast<uint16_t>(record.status)} << 48);
  writer.PutNumber(kCounts, record.retries.attempts | uint64_t{marks} << 32 |
                                uint64_t{static_cast<uint8_t>(grpc_status)} << 48);
  return marks;
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

// Of those that did not fail.
bool IsUnusual(const Call& call) {
  const DecisionRecord& record = call.record;
  return call.decisions != nullptr ||
         record.times.upstream_answered - record.times.started > RequestRecorder::kSlow;
}

// FNV-1a, with a start for which no two of our causes have the same budget.
size_t HashOf(std::string_view text) {
  uint64_t hash = 17666;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

size_t BudgetOf(const DecisionRecord& record, bool failed) {
  constexpr size_t kOfFailures = RequestRecorder::kBudgets - 3;
  if (record.failure) return HashOf(record.failure.facts().cause) % kOfFailures;
  if (failed) return kOfFailures;
  return kOfFailures + (record.retries.attempts > 1 ? 1 : 2);
}

}  // namespace

void RequestRecorder::Write(const Call& call, const EndedRequest& request) {
  if (into_ == nullptr) return;
  bool failed = false;
  const uint64_t number = into_->ring.Write([&](RecordWriter& writer) {
    failed = (PutNumbers(request, writer) & recorder::kFailed) != 0;
    writer.PutNumber(recorder::kConfigured,
                     static_cast<uint64_t>(UnixNanoseconds(call.services.configured)));
    PutRequest(request, writer);
    PutRouting(request, writer);
  });
  if (failed || IsUnusual(call)) [[unlikely]]
    Explain(call, failed);
  if (into_->headers.is_on()) [[unlikely]]
    ShowHeaders(request, number);
}

void RequestRecorder::ShowHeaders(const EndedRequest& request, uint64_t number) {
  if (const auto record = into_->ring.Read(number))
    into_->headers.OnEnd(*record, request.record.request, request.response);
}

void RequestRecorder::Explain(const Call& call, bool failed) {
  if (failed) into_->ring.CountFailed();
  const size_t budget = BudgetOf(call.record, failed);
  if (!rate_.Take(budgets_[budget], loop_.Now().time_since_epoch()).allowed) return;
  Arena arena(loop_.slab());
  Decisions decisions(arena, Decisions::kMostExplained);
  ExplainEnd(decisions, call);
  into_->ring.Explain([&](recorder::ExplanationWriter& writer) {
    decisions.ForEach([&](const Decision& one) { writer.Add(one); });
    writer.LeaveOut(decisions.dropped());
  });
}

void RequestRecorder::SetOwn(std::string_view spiffe_id) {
  if (into_ != nullptr) into_->ring.SetOwn(spiffe_id);
}

void RequestRecorder::SetConfiguration(std::chrono::system_clock::time_point since,
                                       std::string_view name) {
  if (into_ != nullptr) into_->ring.SetConfiguration(UnixNanoseconds(since), name);
}

}  // namespace tulle::proxy
