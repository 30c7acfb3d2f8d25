#include "sidecar/proxy/request_telemetry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/string_view.h"
#include "certs/spiffe_names.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/families.h"

namespace tulle::proxy {
namespace {

using telemetry::IstioLabel;

constexpr std::string_view kMethods[] = {"GET",     "POST",    "PUT",   "DELETE", "HEAD",
                                         "OPTIONS", "CONNECT", "TRACE", "PATCH"};

std::string_view KnownMethod(const http::Head* request) {
  if (request == nullptr) return "unknown";
  for (const std::string_view method : kMethods) {
    if (method == request->method) return method;
  }
  return "other";
}

// Of NAME.NAMESPACE.svc...; other hosts are their own name.
struct ServiceParts {
  std::string_view name;
  std::string_view namespace_name;
};

ServiceParts PartsOf(std::string_view service) {
  const size_t dot = service.find('.');
  if (dot == service.npos || service.find(".svc", dot) == service.npos) return {service, {}};
  const std::string_view rest = service.substr(dot + 1);
  return {service.substr(0, dot), rest.substr(0, rest.find('.'))};
}

std::string_view PeerOf(const EndedDownstream& downstream) {
  if (downstream.peer == nullptr) return {};
  return downstream.peer->spiffe_id;
}

// The key of a row, on the stack.
class Key {
 public:
  void Add(std::string_view text) {
    const size_t taken = std::min(text.size(), bytes_.size() - size_ - 1);
    if (taken != 0) std::memcpy(bytes_.data() + size_, text.data(), taken);
    size_ += taken;
    whole_ = whole_ && taken == text.size() && size_ + 1 < bytes_.size();
    bytes_[size_] = '\0';  // no text contains one
    size_ = std::min(size_ + 1, bytes_.size() - 1);
  }
  void Add(int number) {
    const char bytes[] = {static_cast<char>(number), static_cast<char>(number >> 8)};
    Add(std::string_view(bytes, 2));
  }
  void Add(const EndedDownstream& downstream) {
    Add(static_cast<int>(downstream.direction) << 1 | (downstream.tls ? 1 : 0));
    Add(PeerOf(downstream));
    Add(downstream.chain->own_identity);
  }
  // Null if it did not fit.
  const absl::string_view* get() {
    view_ = absl::string_view(bytes_.data(), size_);
    return whole_ ? &view_ : nullptr;
  }

 private:
  std::array<char, 1536> bytes_;
  size_t size_ = 0;
  bool whole_ = true;
  absl::string_view view_;
};

std::string_view Decimal(int value, std::span<char> scratch) {
  const auto end = std::to_chars(scratch.data(), scratch.data() + scratch.size(), value).ptr;
  return {scratch.data(), static_cast<size_t>(end - scratch.data())};
}

double MillisecondsOf(loop::Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

bool IsOutbound(const EndedDownstream& downstream) {
  return downstream.direction != config::Direction::kInbound;
}

std::string_view ResultOf(const DecisionRecord& record) {
  if (record.retries.refused) return "budget";
  if (record.retries.exhausted) return "limit";
  return record.failure || record.status >= 500 ? "failure" : "success";
}

}  // namespace

std::string_view ServiceOf(const EndedDownstream& downstream, std::string_view of_cluster) {
  const std::string_view of_chain = downstream.chain->service;
  return IsOutbound(downstream) || of_chain.empty() ? of_cluster : of_chain;
}

// Values in the order of telemetry::IstioLabel.
struct RequestTelemetry::Labels {
  std::array<std::string_view, telemetry::kIstioLabelCount> values{};
  std::string_view& operator[](IstioLabel label) { return values[label]; }

  // The labels of one side, in the order that both sides have: from its workload on.
  void SetOwn(IstioLabel workload, const OwnWorkload& own) {
    const std::string_view side[] = {
        own.name,    own.namespace_name, own.spiffe_id,         own.app,
        own.version, own.cluster,        own.canonical_service, own.canonical_revision};
    std::copy(std::begin(side), std::end(side), values.begin() + workload);
  }
  void SetPeer(IstioLabel workload, std::string_view spiffe_id) {
    const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
    const std::string_view side[] = {names.account, names.namespace_name, spiffe_id};
    std::copy(std::begin(side), std::end(side), values.begin() + workload);
  }
};
static_assert(IstioLabel::kDestinationCanonicalRevision - IstioLabel::kDestinationWorkload == 7 &&
              IstioLabel::kSourceCanonicalRevision - IstioLabel::kSourceWorkload == 7);

RequestTelemetry::RequestTelemetry(telemetry::Registry& registry, OwnWorkload own)
    : registry_(registry), own_(std::move(own)) {}

void RequestTelemetry::SetOwnWorkload(OwnWorkload own) {
  own_ = std::move(own);
  DropCells();
}

void RequestTelemetry::DropCells() {
  requests_.clear();
  relays_.clear();
}

// What a peer's identity does not tell is not known.
RequestTelemetry::Labels RequestTelemetry::LabelsOf(const EndedDownstream& downstream,
                                                    std::string_view service,
                                                    std::string_view upstream_peer) const {
  Labels labels;
  const std::string_view chain_identity = downstream.chain->own_identity;
  const ServiceParts parts = PartsOf(service);
  labels[IstioLabel::kDestinationService] = service;
  labels[IstioLabel::kDestinationServiceName] = parts.name;
  labels[IstioLabel::kDestinationServiceNamespace] = parts.namespace_name;
  if (IsOutbound(downstream)) {
    labels[IstioLabel::kReporter] = "source";
    labels.SetOwn(IstioLabel::kSourceWorkload, own_);
    labels.SetPeer(IstioLabel::kDestinationWorkload, upstream_peer);
    // As Istio: only the server side reports what arrived.
    labels[IstioLabel::kConnectionSecurityPolicy] = "unknown";
  } else {
    labels[IstioLabel::kReporter] = "destination";
    labels.SetPeer(IstioLabel::kSourceWorkload, PeerOf(downstream));
    labels.SetOwn(IstioLabel::kDestinationWorkload, own_);
    if (!chain_identity.empty()) labels[IstioLabel::kDestinationPrincipal] = chain_identity;
    labels[IstioLabel::kConnectionSecurityPolicy] =
        downstream.tls && downstream.peer != nullptr ? "mutual_tls" : "none";
  }
  return labels;
}

RequestTelemetry::RequestCells RequestTelemetry::MakeCells(const EndedRequest& request) {
  const DecisionRecord& record = request.record;
  const bool outbound = IsOutbound(request.downstream);
  const bool grpc = record.request != nullptr && record.request->is_grpc();
  char status_text[16], grpc_text[16], flags_text[32];
  const std::string_view status = Decimal(record.status, status_text);
  const int grpc_status = GrpcStatusNumber(record.grpc_status);

  const std::string_view service = ServiceOf(request.downstream, record.routed.service);
  Labels labels = LabelsOf(request.downstream, service, record.upstream.peer);
  labels[IstioLabel::kRequestProtocol] = grpc ? "grpc" : "http";
  labels[IstioLabel::kResponseCode] = status;
  if (grpc && grpc_status >= 0) {
    labels[IstioLabel::kGrpcResponseStatus] = Decimal(grpc_status, grpc_text);
  }
  labels[IstioLabel::kResponseFlags] = ResponseFlags(record, flags_text);

  const telemetry::LabelValues shared(labels.values);
  const std::string_view direction = outbound ? "outbound" : "inbound";
  const std::string_view http_labels[] = {direction, service, KnownMethod(record.request), status};
  const std::string_view duration_labels[] = {direction, service};
  return {
      &registry_.CounterRow(telemetry::kIstioRequests, shared),
      &registry_.HistogramRow(telemetry::kIstioRequestDuration, shared),
      &registry_.HistogramRow(telemetry::kIstioRequestBytes, shared),
      &registry_.HistogramRow(telemetry::kIstioResponseBytes, shared),
      &registry_.CounterRow(telemetry::kHttpRequests, http_labels),
      &registry_.HistogramRow(telemetry::kHttpRequestDuration, duration_labels),
  };
}

RequestTelemetry::RelayCells RequestTelemetry::MakeCells(const EndedRelay& relay) {
  Labels labels = LabelsOf(relay.downstream, ServiceOf(relay.downstream, relay.record.service), {});
  labels[IstioLabel::kRequestProtocol] = "tcp";
  labels[IstioLabel::kResponseFlags] =
      relay.record.failure ? relay.record.failure.facts().flag : "-";
  const telemetry::LabelValues shared(labels.values);
  return {
      &registry_.CounterRow(telemetry::kIstioTcpSent, shared),
      &registry_.CounterRow(telemetry::kIstioTcpReceived, shared),
      &registry_.CounterRow(telemetry::kIstioTcpOpened, shared),
      &registry_.CounterRow(telemetry::kIstioTcpClosed, shared),
  };
}

void RequestTelemetry::Count(const EndedRequest& request) {
  const DecisionRecord& record = request.record;
  Key key;
  key.Add(request.downstream);
  key.Add(ServiceOf(request.downstream, record.routed.service));
  key.Add(record.upstream.peer);
  key.Add(KnownMethod(record.request));
  key.Add(record.status);
  key.Add(record.request != nullptr && record.request->is_grpc()
              ? GrpcStatusNumber(record.grpc_status) + 2
              : 0);
  // What response_flags are made of.
  key.Add(record.failure.facts().flag);
  key.Add((record.retries.exhausted ? 1 : 0) | (record.delay_injected ? 2 : 0));

  const absl::string_view* known = key.get();
  auto found = known == nullptr ? requests_.end() : requests_.find(*known);
  const bool cached = found != requests_.end();
  const RequestCells cells = cached ? found->second : MakeCells(request);
  if (!cached && known != nullptr && requests_.size() < kMostKeys) {
    requests_.emplace(std::string(known->data(), known->size()), cells);
  }

  Record(cells, record);
  if (record.failure.kind == failures::kDenied) CountDenied(request.downstream, record.policy);
  if (record.retries.attempts > 1 || record.retries.refused) CountRetries(record);
}

void RequestTelemetry::Record(const RequestCells& cells, const DecisionRecord& record) {
  const double milliseconds = MillisecondsOf(record.times.ended - record.times.started);
  cells.requests->Add();
  cells.request_bytes->Record(static_cast<double>(record.bytes.request));
  cells.response_bytes->Record(static_cast<double>(record.bytes.response));
  cells.http_requests->Add();
  if (record.tracing.spans != nullptr) [[unlikely]]
    return RecordTraced(cells, record, milliseconds);
  cells.duration_ms->Record(milliseconds);
  cells.http_duration->Record(milliseconds / 1000);
}

void RequestTelemetry::RecordTraced(const RequestCells& cells, const DecisionRecord& record,
                                    double milliseconds) {
  const telemetry::TracePoint& point = record.tracing.spans->context;
  const auto ended = record.times.wall_started + (record.times.ended - record.times.started);
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(ended.time_since_epoch());
  telemetry::Exemplar exemplar{point.trace_high, point.trace_low, point.span, milliseconds,
                               since_epoch.count()};
  cells.duration_ms->Record(exemplar);
  exemplar.value = milliseconds / 1000;
  cells.http_duration->Record(exemplar);
}

void RequestTelemetry::CountDenied(const EndedDownstream& downstream, std::string_view policy) {
  const std::string_view labels[] = {policy.empty() ? "none" : policy, ServiceOf(downstream, {})};
  registry_.CounterRow(telemetry::kDenied, labels).Add();
}

void RequestTelemetry::CountRetries(const DecisionRecord& record) {
  const std::string_view labels[] = {record.routed.service, ResultOf(record)};
  registry_.CounterRow(telemetry::kRetriedRequests, labels).Add();
  if (record.retries.attempts > 1)
    registry_.CounterRow(telemetry::kRetries, {labels, 1}).Add(record.retries.attempts - 1);
}

RequestTelemetry::RelayCells RequestTelemetry::CellsOf(const EndedRelay& relay) {
  const RelayRecord& record = relay.record;
  Key key;
  key.Add(relay.downstream);
  key.Add(ServiceOf(relay.downstream, record.service));
  key.Add(record.failure.facts().flag);  // the only part that labels use

  const absl::string_view* known = key.get();
  auto found = known == nullptr ? relays_.end() : relays_.find(*known);
  const bool cached = found != relays_.end();
  const RelayCells cells = cached ? found->second : MakeCells(relay);
  if (!cached && known != nullptr && relays_.size() < kMostKeys) {
    relays_.emplace(std::string(known->data(), known->size()), cells);
  }
  return cells;
}

void RequestTelemetry::CountOpened(const EndedRelay& relay) { CellsOf(relay).opened->Add(); }

void RequestTelemetry::Count(const EndedRelay& relay) {
  const RelayCells cells = CellsOf(relay);
  cells.sent->Add(relay.record.sent);
  cells.received->Add(relay.record.received);
  if (!relay.record.opened) cells.opened->Add();
  cells.closed->Add();
  if (relay.record.failure.kind == failures::kDenied)
    CountDenied(relay.downstream, relay.record.policy);
}

}  // namespace tulle::proxy
