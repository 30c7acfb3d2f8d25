#pragma once

#include "sidecar/proxy/access_log.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {

// Metrics and access log of one worker, told by its connections. Owner: the composition root, one
// each worker. Thread: the worker's.
class TrafficObserver final : public Observer {
 public:
  // `loop` gives the wall clock of relays.
  TrafficObserver(loop::Loop& loop, telemetry::Registry& registry, OwnWorkload own,
                  AccessLogSink& sink);

  RequestTelemetry& metrics() { return metrics_; }
  AccessLog& access_log() { return access_log_; }

  void OnExchangeEnd(const Exchange& exchange) override;
  void OnRelayOpened(const TcpRelay& relay) override;
  void OnRelayEnd(const TcpRelay& relay) override;
  void OnDownstreamRefused() override { downstream_refused_.Add(1); }

 private:
  EndedRelay Ended(const TcpRelay& relay) const;

  loop::Loop& loop_;
  RequestTelemetry metrics_;
  AccessLog access_log_;
  telemetry::Counter& downstream_refused_;
};

}  // namespace tulle::proxy
