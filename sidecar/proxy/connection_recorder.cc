#include "sidecar/proxy/connection_recorder.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/proxy/address_text.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/record_numbers.h"
#include "sidecar/proxy/request_telemetry.h"

namespace tulle::proxy {
namespace {

using recorder::Numbers;
using recorder::RecordWriter;
using recorder::Text;

constexpr std::string_view kMethod = "TCP";

uint16_t MarkIf(bool set, recorder::Mark which) {
  return set ? static_cast<uint16_t>(which) : uint16_t{0};
}

// The service, the mesh or a policy ended it; not the client, nor that nobody used it.
bool IsError(const RelayRecord& record) {
  const FailureKind kind = record.failure.kind;
  return record.has_failed() && kind.facts().origin != FailureOrigin::kDownstream &&
         kind != FailureKind::kDraining && kind != failures::kStreamIdleTimeout;
}

std::array<char, 20> MakeId(uint64_t random) {
  std::array<char, 20> id = {'t', 'c', 'p', '-'};
  for (size_t i = 0; i < 16; ++i) id[4 + i] = "0123456789abcdef"[random >> (i * 4) & 15];
  return id;
}

}  // namespace

struct ConnectionRecorder::Entry {
  Numbers numbers;
  std::string_view flag;
  std::string_view cause;
  std::string_view detail;
  std::string_view policy;
  std::string_view service;
  std::string_view source;
  std::string_view destination;
  std::string_view cluster;
  const SocketAddress& asked;  // where the client connected to
};

void ConnectionRecorder::Write(const EndedRelay& relay,
                               std::chrono::system_clock::time_point configured) {
  if (into_ == nullptr) return;
  const RelayRecord& record = relay.record;
  const EndedDownstream& downstream = relay.downstream;
  const bool outbound = downstream.direction != config::Direction::kInbound;
  const bool mutual_tls =
      outbound ? relay.upstream_peer != nullptr : downstream.tls && downstream.peer != nullptr;
  Entry entry{.numbers = {},
              .flag = {},
              .cause = {},
              .detail = {},
              .policy = record.policy,
              .service = ServiceOf(downstream, record.service),
              .source = {},
              .destination = {},
              .cluster = record.cluster,
              .asked = downstream.local};
  if (downstream.peer != nullptr) entry.source = downstream.peer->spiffe_id;
  if (relay.upstream_peer != nullptr) entry.destination = relay.upstream_peer->spiffe_id;
  if (record.has_failed()) {
    const FailureFacts& facts = record.failure.facts();
    entry.flag = facts.flag;
    entry.cause = facts.cause;
    const std::string_view detail = record.failure.detail;
    entry.detail = detail.empty() ? facts.detail : detail;
  }
  Numbers& numbers = entry.numbers;
  numbers.wall_started = UnixNanoseconds(relay.wall_ended - (record.ended - record.started));
  numbers.configured = UnixNanoseconds(configured);
  numbers.ended = Since(record.started, record.ended);
  numbers.request_bytes = record.received;
  numbers.response_bytes = record.sent;
  PutSource(downstream.remote, numbers);
  PutEndpoint(record.upstream, numbers);
  numbers.marks = static_cast<uint16_t>(MarkIf(outbound, recorder::kOutbound) |
                                        MarkIf(mutual_tls, recorder::kMutualTls) |
                                        MarkIf(IsError(record), recorder::kFailed));
  Write(entry);
}

void ConnectionRecorder::Write(const UnmatchedConnection& connection) {
  if (into_ == nullptr || !MayRecordRefusal()) return;
  const FailureFacts& facts =
      (connection.plaintext_refused ? failures::kPlaintextRefused : failures::kNoFilterChain)
          .facts();
  Entry entry{.numbers = {},
              .flag = facts.flag,
              .cause = facts.cause,
              .detail = facts.detail,
              .policy = connection.policy,
              .service = connection.service,
              .source = {},
              .destination = {},
              .cluster = {},
              .asked = connection.local};
  entry.numbers.wall_started = UnixNanoseconds(loop_.WallNow());
  entry.numbers.ended = 1;
  PutSource(connection.remote, entry.numbers);
  entry.numbers.marks = recorder::kFailed;
  Write(entry);
}

void ConnectionRecorder::Write(const BrokenConnection& connection) {
  if (into_ == nullptr || !MayRecordRefusal()) return;
  const FailureFacts& facts = connection.failure.facts();
  Entry entry{.numbers = {},
              .flag = facts.flag,
              .cause = facts.cause,
              .detail = connection.failure.detail,
              .policy = {},
              .service = connection.service,
              .source = connection.identity,
              .destination = {},
              .cluster = {},
              .asked = connection.local};
  entry.numbers.wall_started = UnixNanoseconds(loop_.WallNow());
  entry.numbers.ended = 1;
  PutSource(connection.remote, entry.numbers);
  entry.numbers.marks = static_cast<uint16_t>(
      recorder::kFailed | MarkIf(!connection.identity.empty(), recorder::kMutualTls));
  Write(entry);
}

void ConnectionRecorder::Write(const Entry& entry) {
  std::array<char, INET6_ADDRSTRLEN + 8> address;
  const std::array<char, 20> id = MakeId(loop_.random().Next());
  const uint64_t number = into_->ring.Write([&](RecordWriter& writer) {
    writer.PutNumbers(entry.numbers);
    writer.Put<Text::kRequestId>({id.data(), id.size()});
    writer.Put<Text::kFlag>(entry.flag);
    writer.Put<Text::kCause>(entry.cause);
    writer.Put<Text::kMethod>(kMethod);
    writer.Put<Text::kPolicy>(entry.policy);
    writer.Put<Text::kService>(entry.service);
    writer.Put<Text::kSource>(entry.source);
    writer.Put<Text::kDestination>(entry.destination);
    writer.Put<Text::kCluster>(entry.cluster);
    writer.Put<Text::kAuthority>(ShowAddress(entry.asked, Shown::kBoth, address));
    writer.Put<Text::kDetail>(entry.detail);
  });
  if ((entry.numbers.marks & recorder::kFailed) != 0) Explain(entry);
  if (!into_->headers.is_on()) return;
  if (const auto record = into_->ring.Read(number)) into_->headers.OnEnd(*record, nullptr, nullptr);
}

void ConnectionRecorder::Explain(const Entry& entry) {
  into_->ring.CountFailed();
  if (!explained_rate_.Take(explained_, loop_.Now().time_since_epoch()).allowed) return;
  into_->ring.Explain([&](recorder::ExplanationWriter& writer) {
    if (entry.cause != failures::kDenied.facts().cause) return;
    writer.Add({DecisionKind::kAuthorization, false, entry.policy,
                entry.policy.empty() ? "no policy allows it" : "policy matches"});
  });
}

bool ConnectionRecorder::MayRecordRefusal() {
  return rate_.Take(refusals_, loop_.Now().time_since_epoch()).allowed;
}

}  // namespace tulle::proxy
