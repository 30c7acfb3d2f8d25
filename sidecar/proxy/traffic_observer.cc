#include "sidecar/proxy/traffic_observer.h"

#include <array>
#include <string>
#include <string_view>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/tcp_relay.h"
#include "telemetry/families.h"

namespace tulle::proxy {

namespace {

telemetry::Gauge& MemoryGauge(telemetry::Registry& registry, int worker) {
  const std::string number = std::to_string(worker);
  return registry.GaugeRow(telemetry::kWorkerMemory, std::array<std::string_view, 1>{number});
}

}  // namespace

TrafficObserver::TrafficObserver(loop::Loop& loop, telemetry::Registry& registry, int worker,
                                 AccessLogSink& sink, CollectorSink* collectors,
                                 recorder::WorkerRecorder* recorder)
    : loop_(loop),
      worker_(worker),
      registry_(registry),
      metrics_(registry, {}),
      memory_(MemoryGauge(registry, worker)),
      accepted_(registry.CounterRow(telemetry::kDownstreamAccepted)),
      closed_(registry.CounterRow(telemetry::kDownstreamClosed)),
      access_log_(loop, sink, registry, collectors),
      spans_(loop, collectors, registry),
      recorder_(loop, recorder),
      connections_(loop, recorder),
      denied_(registry, telemetry::kDenied),
      broken_(registry, telemetry::kDownstreamBroken),
      mirrored_(registry, telemetry::kMirrored) {
  constexpr std::string_view kReasons[] = {
      "limit", "loop", "unknown_destination", "memory", "no_filter_chain", "plaintext", "tls"};
  for (size_t i = 0; i < std::size(kReasons); ++i) {
    refused_[i] = &registry.CounterRow(telemetry::kDownstreamRefused,
                                       std::array<std::string_view, 1>{kReasons[i]});
  }
  constexpr std::string_view kVerdicts[] = {"tls",     "http1",   "http2",
                                            "tcp",     "not_tls", "server_first",
                                            "timeout", "closed",  "malformed_tls"};
  for (size_t i = 0; i < std::size(kVerdicts); ++i) {
    detections_[i] = &registry.CounterRow(telemetry::kProtocolDetections,
                                          std::array<std::string_view, 1>{kVerdicts[i]});
  }
  ShowMemory();
}

void TrafficObserver::OnRequestEnd(const Call& call) {
  const Caller& caller = call.caller;
  const EndedRequest request{{call.chain.owner, call.chain.direction, caller.identity(),
                              caller.is_tls(), caller.peer_address(), caller.local_address(),
                              caller.sni(), caller.tls_terms(), ConnectionId(caller.connection())},
                             call.record,
                             call.response.head,
                             call.chosen.route == nullptr
                                 ? std::string_view()
                                 : call.chosen.route->virtual_host().spec().name,
                             call.decisions};
  metrics_.Count(request);
  access_log_.Write(request);
  spans_.Write(request);
  recorder_.Write(call, request);
  ShowMemory();
}

void TrafficObserver::OnSeriesRetired() {
  metrics_.DropCells();
  denied_.Drop();
  broken_.Drop();
  mirrored_.Drop();
  registry_.FreeRetired();
}

void TrafficObserver::OnUnmatched(const UnmatchedConnection& connection) {
  OnDownstreamRefused(connection.plaintext_refused ? Refusal::kPlaintext : Refusal::kNoFilterChain);
  access_log_.Write(connection);
  connections_.Write(connection);
  if (!connection.plaintext_refused || connection.policy.empty()) return;
  denied_[{connection.policy, connection.service}].Add();
}

void TrafficObserver::OnBroken(const BrokenConnection& connection) {
  access_log_.Write(connection);
  connections_.Write(connection);
  if (connection.failure.kind != FailureKind::kDownstreamProtocol)
    return OnDownstreamRefused(Refusal::kTls);
  broken_[{connection.failure.detail, connection.service}].Add();
}

void TrafficObserver::OnBreakerOpened(const upstream::ClusterSpec& cluster, FailureKind why) {
  const std::string_view cause = why.is_none() ? "server_error" : why.facts().cause;
  const std::array<std::string_view, 3> labels{cluster.service, cluster.name, cause};
  registry_.CounterRow(telemetry::kBreakerOpened, labels).Add();
}

void TrafficObserver::OnMirrorEnd(std::string_view service, int status, Failure failure) {
  constexpr std::string_view kClasses[] = {"2xx", "3xx", "4xx", "5xx"};
  std::string_view result = failure.facts().cause;
  if (status >= 200 && status < 600) result = kClasses[status / 100 - 2];
  mirrored_[{service, result}].Add();
}

void TrafficObserver::OnRelayOpened(const TcpRelay& relay) { metrics_.CountOpened(Ended(relay)); }

void TrafficObserver::OnRelayEnd(const TcpRelay& relay) {
  const EndedRelay ended = Ended(relay);
  metrics_.Count(ended);
  access_log_.Write(ended);
  connections_.Write(ended, relay.configured());
  ShowMemory();
}

EndedRelay TrafficObserver::Ended(const TcpRelay& relay) const {
  const Transport& downstream = relay.downstream();
  return {{relay.chain(), relay.record().direction, downstream.peer(), downstream.is_tls(),
           relay.record().downstream, relay.record().downstream_local, downstream.sni(),
           downstream.tls_terms(), ConnectionId(relay.record().connection)},
          relay.upstream_peer(),
          relay.record(),
          loop_.WallNow(),
          relay.upstream_tls()};
}

}  // namespace tulle::proxy
