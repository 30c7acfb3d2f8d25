#include "sidecar/proxy/request_telemetry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/string_view.h"
#include "certs/workload_labels.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/response_flags.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/families.h"

namespace tulle::proxy {
namespace {

using telemetry::IstioLabel;

constexpr std::string_view kMethods[] = {"GET",     "POST",  "PUT",   "DELETE", "HEAD",   "OPTIONS",
                                         "CONNECT", "TRACE", "PATCH", "other",  "unknown"};
constexpr uint8_t kOtherMethod = 9;
constexpr uint8_t kUnknownMethod = 10;

// Its place in kMethods.
uint8_t MethodOf(const http::Head* request) {
  if (request == nullptr || request->method.empty()) return kUnknownMethod;
  const std::string_view asked = request->method;
  for (uint8_t i = 0; i < kOtherMethod; ++i) {
    const std::string_view method = kMethods[i];
    // Its first letter and its size tell it from the others: one comparison of texts.
    if (method.size() == asked.size() && method[0] == asked[0] && method == asked) return i;
  }
  return kOtherMethod;
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

// The peer that labels name: outbound the upstream, inbound the caller. Empty: not known.
struct PeerText {
  std::string_view spiffe_id;
  std::string_view labels;
};

PeerText TextOf(const PeerIdentity* peer) {
  if (peer == nullptr) return {};
  return {peer->spiffe_id, peer->labels};
}

bool IsOutbound(const EndedDownstream& downstream) {
  return downstream.direction != config::Direction::kInbound;
}

PeerText PeerOf(const EndedRequest& request) {
  if (!IsOutbound(request.downstream)) return TextOf(request.downstream.peer);
  return {request.record.upstream.peer, request.record.upstream.labels};
}

PeerText PeerOf(const EndedRelay& relay) {
  return TextOf(IsOutbound(relay.downstream) ? relay.upstream_peer : relay.downstream.peer);
}

Workload WorkloadOfPeer(const PeerText& peer) {
  if (peer.spiffe_id.empty()) return {};
  const auto labels = certs::ParseWorkloadLabels(peer.labels);
  return WorkloadOf(std::string(peer.spiffe_id), labels.ok() ? *labels : certs::WorkloadLabels());
}

// `kind` and `more`: what else labels are made of, and whatever tells requests apart.
class Key : public CellKey<1536> {
 public:
  Key(const EndedDownstream& downstream, FailureKind kind, uint64_t more) {
    Add(reinterpret_cast<uintptr_t>(&kind.facts()));  // static: they are what a kind is
    Add(more << 8 | static_cast<uint64_t>(downstream.direction) << 2 |
        (downstream.peer != nullptr ? 2U : 0U) | (downstream.tls ? 1U : 0U));
  }
  using CellKey::Add;
  void Add(const PeerText& peer) {
    Add(peer.spiffe_id);
    Add(peer.labels);
  }
};

// Who pays for a row: a peer, for each service of its own. Those without an identity pay together.
class OwnerKey : public CellKey<1024> {
 public:
  OwnerKey(std::string_view service, const PeerText& peer) {
    Add(service);
    Add(peer.spiffe_id);
  }
  std::string_view text() const { return {view().data(), view().size()}; }
};

std::string_view Decimal(int value, std::span<char> scratch) {
  const auto end = std::to_chars(scratch.data(), scratch.data() + scratch.size(), value).ptr;
  return {scratch.data(), static_cast<size_t>(end - scratch.data())};
}

double MillisecondsOf(loop::Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

size_t StatusClassOf(const DecisionRecord& record) {
  return record.status >= 100 && record.status < 600 ? static_cast<size_t>(record.status / 100) : 0;
}

std::string_view DirectionOf(const EndedDownstream& downstream) {
  return IsOutbound(downstream) ? "outbound" : "inbound";
}

// For what finds no room: what it is counts for, no more.
constexpr std::string_view kOther = "other";
constexpr std::string_view kOtherStatus[] = {kOther, "1xx", "2xx", "3xx", "4xx", "5xx"};

telemetry::LabelValues OtherLabels(const EndedDownstream& downstream, std::string_view status) {
  std::array<std::string_view, telemetry::kIstioLabelCount> values;
  values.fill(kOther);
  values[IstioLabel::kReporter] = IsOutbound(downstream) ? "source" : "destination";
  values[IstioLabel::kResponseCode] = status;
  return telemetry::LabelValues(values);
}

telemetry::LabelValues OtherRouteLabels(const EndedDownstream& downstream,
                                        std::string_view status) {
  std::array<std::string_view, telemetry::RouteLabel::kCount> values;
  values.fill(kOther);
  values[telemetry::RouteLabel::kReporter] = IsOutbound(downstream) ? "source" : "destination";
  values[telemetry::RouteLabel::kResponseCode] = status;
  return telemetry::LabelValues(values);
}

// Without the port; empty: it is the service that answers.
std::string_view CalledHost(const EndedRequest& request) {
  const std::string_view host = request.virtual_host;
  const std::string_view service = request.record.routed.service;
  const size_t size = service.size();
  if (host.starts_with(service) && size != 0 && (host.size() == size || host[size] == ':'))
    return {};
  const size_t colon = host.rfind(':');
  const bool has_port =
      colon != host.npos && host.find_first_not_of("0123456789", colon + 1) == host.npos;
  return has_port ? host.substr(0, colon) : host;
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
  std::string_view operator[](IstioLabel label) const { return values[label]; }

  // The labels of one side, in the order that both sides have: from its workload on.
  void Set(IstioLabel first, const Workload& workload) {
    const std::string_view side[] = {workload.name,
                                     workload.namespace_name,
                                     workload.spiffe_id,
                                     workload.app,
                                     workload.version,
                                     workload.cluster,
                                     workload.canonical_service,
                                     workload.canonical_revision};
    std::copy(std::begin(side), std::end(side), values.begin() + first);
  }
};
static_assert(IstioLabel::kDestinationCanonicalRevision - IstioLabel::kDestinationWorkload == 7 &&
              IstioLabel::kSourceCanonicalRevision - IstioLabel::kSourceWorkload == 7);

// The labels of one request in its families.
struct RequestTelemetry::Rows {
  telemetry::LabelValues istio;
  telemetry::LabelValues http;      // of kHttpRequests
  telemetry::LabelValues duration;  // of kHttpRequestDuration
  telemetry::LabelValues route;     // of kRouteRequestDuration
};

RequestTelemetry::RequestTelemetry(telemetry::Registry& registry, Workload own)
    : registry_(registry),
      own_(std::move(own)),
      failures_(registry, telemetry::kFailures),
      denied_(registry, telemetry::kDenied),
      retries_(registry, telemetry::kRetries),
      retried_requests_(registry, telemetry::kRetriedRequests) {}

void RequestTelemetry::SetOwnWorkload(Workload own) {
  own_ = std::move(own);
  DropCells();
}

void RequestTelemetry::DropCells() {
  requests_.Clear();
  relays_.Clear();
  for (auto& of_direction : other_requests_) {
    for (auto& cells : of_direction) cells.reset();
  }
  for (auto& cells : other_relays_) cells.reset();
  failures_.Drop();
  denied_.Drop();
  retries_.Drop();
  retried_requests_.Drop();
}

RequestTelemetry::Labels RequestTelemetry::LabelsOf(const EndedDownstream& downstream,
                                                    std::string_view service,
                                                    const Workload& peer) const {
  Labels labels;
  const std::string_view chain_identity = downstream.chain->own_identity;
  const ServiceParts parts = PartsOf(service);
  labels[IstioLabel::kDestinationService] = service;
  labels[IstioLabel::kDestinationServiceName] = parts.name;
  labels[IstioLabel::kDestinationServiceNamespace] = parts.namespace_name;
  if (IsOutbound(downstream)) {
    labels[IstioLabel::kReporter] = "source";
    labels.Set(IstioLabel::kSourceWorkload, own_);
    labels.Set(IstioLabel::kDestinationWorkload, peer);
    // As Istio: only the server side reports what arrived.
    labels[IstioLabel::kConnectionSecurityPolicy] = "unknown";
  } else {
    labels[IstioLabel::kReporter] = "destination";
    labels.Set(IstioLabel::kSourceWorkload, peer);
    labels.Set(IstioLabel::kDestinationWorkload, own_);
    if (!chain_identity.empty()) labels[IstioLabel::kDestinationPrincipal] = chain_identity;
    labels[IstioLabel::kConnectionSecurityPolicy] =
        downstream.tls && downstream.peer != nullptr ? "mutual_tls" : "none";
  }
  return labels;
}

RequestTelemetry::Rows RequestTelemetry::RowsOf(const EndedRequest& request) const {
  const DecisionRecord& record = request.record;
  const bool grpc = record.grpc != nullptr;
  char status_text[16], grpc_text[16], flags_text[32];
  const std::string_view status = Decimal(record.status, status_text);
  const int grpc_status = GrpcStatusNumber(record.grpc_status);

  const std::string_view service = ServiceOf(request.downstream, record.routed.service);
  const Workload peer = WorkloadOfPeer(PeerOf(request));
  Labels labels = LabelsOf(request.downstream, service, peer);
  labels[IstioLabel::kRequestProtocol] = grpc ? "grpc" : "http";
  labels[IstioLabel::kResponseCode] = status;
  if (grpc && grpc_status >= 0) {
    labels[IstioLabel::kGrpcResponseStatus] = Decimal(grpc_status, grpc_text);
  }
  labels[IstioLabel::kResponseFlags] = ResponseFlags(record, flags_text);

  const std::string_view http[] = {DirectionOf(request.downstream), service,
                                   kMethods[MethodOf(record.request)], status};
  return {telemetry::LabelValues(labels.values), telemetry::LabelValues(http),
          telemetry::LabelValues({http, 2}), RouteLabelsOf(request, labels)};
}

telemetry::LabelValues RequestTelemetry::RouteLabelsOf(const EndedRequest& request,
                                                       const Labels& labels) {
  using telemetry::RouteLabel;
  std::array<std::string_view, RouteLabel::kCount> values{};
  values[RouteLabel::kReporter] = labels[IstioLabel::kReporter];
  values[RouteLabel::kSourcePrincipal] = labels[IstioLabel::kSourcePrincipal];
  values[RouteLabel::kDestinationPrincipal] = labels[IstioLabel::kDestinationPrincipal];
  values[RouteLabel::kDestinationService] = labels[IstioLabel::kDestinationService];
  values[RouteLabel::kProtocol] = labels[IstioLabel::kRequestProtocol];
  values[RouteLabel::kResponseCode] = labels[IstioLabel::kResponseCode];
  values[RouteLabel::kGrpcStatus] = labels[IstioLabel::kGrpcResponseStatus];
  values[RouteLabel::kResponseFlags] = labels[IstioLabel::kResponseFlags];
  values[RouteLabel::kSecurityPolicy] = labels[IstioLabel::kConnectionSecurityPolicy];
  if (IsOutbound(request.downstream)) {
    values[RouteLabel::kRoute] = request.record.routed.route;
    values[RouteLabel::kCalledService] = CalledHost(request);
  }
  return telemetry::LabelValues(values);
}

RequestTelemetry::Rows RequestTelemetry::OtherRowsOf(const EndedRequest& request) {
  const std::string_view status = kOtherStatus[StatusClassOf(request.record)];
  const std::string_view http[] = {DirectionOf(request.downstream), kOther, kOther, status};
  return {OtherLabels(request.downstream, status), telemetry::LabelValues(http),
          telemetry::LabelValues({http, 2}), OtherRouteLabels(request.downstream, status)};
}

RequestTelemetry::RequestCells RequestTelemetry::CellsAt(const Rows& rows, const Rows& other,
                                                         std::string_view owner, bool grpc) {
  const telemetry::Account account{owner, other.istio};
  const auto messages = [&](const telemetry::FamilySpec& family) {
    return grpc ? &registry_.CounterRow(family, rows.istio, account) : nullptr;
  };
  return {
      &registry_.CounterRow(telemetry::kIstioRequests, rows.istio, account),
      &registry_.HistogramRow(telemetry::kIstioRequestDuration, rows.istio, account),
      &registry_.HistogramRow(telemetry::kIstioRequestBytes, rows.istio, account),
      &registry_.HistogramRow(telemetry::kIstioResponseBytes, rows.istio, account),
      messages(telemetry::kIstioRequestMessages),
      messages(telemetry::kIstioResponseMessages),
      &registry_.CounterRow(telemetry::kHttpRequests, rows.http, {owner, other.http}),
      &registry_.HistogramRow(telemetry::kHttpRequestDuration, rows.duration,
                              {owner, other.duration}),
      &registry_.HistogramRow(telemetry::kRouteRequestDuration, rows.route, {owner, other.route}),
  };
}

const RequestTelemetry::RequestCells& RequestTelemetry::OtherCellsOf(const EndedRequest& request) {
  auto& cells = other_requests_[IsOutbound(request.downstream)][StatusClassOf(request.record)];
  if (!cells) {
    const Rows other = OtherRowsOf(request);
    cells = CellsAt(other, other, {}, true);
  }
  return *cells;
}

RequestTelemetry::RequestCells RequestTelemetry::CellsOf(const EndedRequest& request) {
  const DecisionRecord& record = request.record;
  const std::string_view service = ServiceOf(request.downstream, record.routed.service);
  const PeerText peer = PeerOf(request);
  const int grpc_status = record.grpc == nullptr ? -2 : GrpcStatusNumber(record.grpc_status);
  Key key(request.downstream, record.failure.kind,
          static_cast<uint64_t>(record.status) << 32 |
              static_cast<uint64_t>(grpc_status + 2) << 16 |
              static_cast<uint64_t>(MethodOf(record.request)) << 8 |
              (record.retries.exhausted ? 1U : 0U) | (record.delay_injected ? 2U : 0U));
  key.Add(service);
  key.Add(peer);
  key.Add(request.downstream.chain->own_identity);
  if (IsOutbound(request.downstream)) {
    key.Add(record.routed.route);
    key.Add(CalledHost(request));
  }
  if (key.whole()) [[likely]] {
    if (const RequestCells* known = requests_.Find(key.view())) return *known;
  }
  const OwnerKey owner(service, peer);
  if (!requests_.HasRoomFor(owner.view())) return OtherCellsOf(request);
  const RequestCells cells =
      CellsAt(RowsOf(request), OtherRowsOf(request), owner.text(), record.grpc != nullptr);
  if (key.whole()) requests_.Add(key.view(), owner.view(), cells);
  return cells;
}

void RequestTelemetry::Count(const EndedRequest& request) {
  const DecisionRecord& record = request.record;
  Record(CellsOf(request), record);
  if (record.failure) {
    CountFailure(request.downstream, ServiceOf(request.downstream, record.routed.service),
                 record.failure, record.policy);
  }
  if (record.retries.attempts > 1 || record.retries.refused) CountRetries(record);
}

void RequestTelemetry::Record(const RequestCells& cells, const DecisionRecord& record) {
  const double milliseconds = MillisecondsOf(record.times.ended - record.times.started);
  cells.requests->Add();
  cells.route_duration_ms->Record(milliseconds);
  cells.request_bytes->Record(static_cast<double>(record.bytes.request));
  cells.response_bytes->Record(static_cast<double>(record.bytes.response));
  cells.http_requests->Add();
  if (record.grpc != nullptr) {
    cells.request_messages->Add(record.grpc->request.count());
    cells.response_messages->Add(record.grpc->response.count());
  }
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

void RequestTelemetry::CountFailure(const EndedDownstream& downstream, std::string_view service,
                                    const Failure& failure, std::string_view policy) {
  failures_[{DirectionOf(downstream), service, failure.facts().cause}].Add();
  if (failure.kind == failures::kDenied)
    denied_[{policy.empty() ? "none" : policy, ServiceOf(downstream, {})}].Add();
}

void RequestTelemetry::CountRetries(const DecisionRecord& record) {
  retried_requests_[{record.routed.service, ResultOf(record)}].Add();
  if (record.retries.attempts > 1)
    retries_[{record.routed.service}].Add(record.retries.attempts - 1);
}

RequestTelemetry::RelayCells RequestTelemetry::CellsAt(const telemetry::LabelValues& labels,
                                                       const telemetry::Account& account) {
  return {
      &registry_.CounterRow(telemetry::kIstioTcpSent, labels, account),
      &registry_.CounterRow(telemetry::kIstioTcpReceived, labels, account),
      &registry_.CounterRow(telemetry::kIstioTcpOpened, labels, account),
      &registry_.CounterRow(telemetry::kIstioTcpClosed, labels, account),
  };
}

RequestTelemetry::RelayCells RequestTelemetry::MakeCells(const EndedRelay& relay,
                                                         std::string_view owner) {
  const RelayRecord& record = relay.record;
  const Workload peer = WorkloadOfPeer(PeerOf(relay));  // labels are views of it
  Labels labels = LabelsOf(relay.downstream, ServiceOf(relay.downstream, record.service), peer);
  labels[IstioLabel::kRequestProtocol] = "tcp";
  labels[IstioLabel::kResponseFlags] = record.has_failed() ? record.failure.facts().flag : "-";
  return CellsAt(telemetry::LabelValues(labels.values),
                 {owner, OtherLabels(relay.downstream, kOther)});
}

RequestTelemetry::RelayCells RequestTelemetry::CellsOf(const EndedRelay& relay) {
  const std::string_view service = ServiceOf(relay.downstream, relay.record.service);
  const PeerText peer = PeerOf(relay);
  Key key(relay.downstream,
          relay.record.has_failed() ? relay.record.failure.kind : FailureKind::kNone, 0);
  key.Add(service);
  key.Add(peer);
  key.Add(relay.downstream.chain->own_identity);
  if (key.whole()) {
    if (const RelayCells* known = relays_.Find(key.view())) return *known;
  }
  const OwnerKey owner(service, peer);
  if (!relays_.HasRoomFor(owner.view())) {
    auto& other = other_relays_[IsOutbound(relay.downstream)];
    if (!other) other = CellsAt(OtherLabels(relay.downstream, kOther), {});
    return *other;
  }
  const RelayCells cells = MakeCells(relay, owner.text());
  if (key.whole()) relays_.Add(key.view(), owner.view(), cells);
  return cells;
}

void RequestTelemetry::CountOpened(const EndedRelay& relay) { CellsOf(relay).opened->Add(); }

void RequestTelemetry::Count(const EndedRelay& relay) {
  const RelayRecord& record = relay.record;
  const RelayCells cells = CellsOf(relay);
  cells.sent->Add(record.sent);
  cells.received->Add(record.received);
  if (!record.opened) cells.opened->Add();
  cells.closed->Add();
  if (!record.has_failed()) return;
  CountFailure(relay.downstream, ServiceOf(relay.downstream, record.service), record.failure,
               record.policy);
}

}  // namespace tulle::proxy
