#pragma once

#include "sidecar/proxy/access_log.h"
#include "sidecar/proxy/connection_recorder.h"
#include "sidecar/proxy/counter_cells.h"
#include "sidecar/proxy/request_recorder.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/proxy/services.h"
#include "sidecar/proxy/span_log.h"

namespace tulle::proxy {

// Metrics, access log, spans and flight recorder of one worker. Owner: the composition root, one
// per worker. Thread: the worker's.
class TrafficObserver final : public Observer {
 public:
  // `worker`: the label of the worker's own metrics.
  // `collectors` null: there are none. `recorder` null: nothing is recorded.
  TrafficObserver(loop::Loop& loop, telemetry::Registry& registry, int worker, AccessLogSink& sink,
                  CollectorSink* collectors = nullptr,
                  recorder::WorkerRecorder* recorder = nullptr);

  void OnRequestEnd(const Call& call) override;
  void OnRelayOpened(const TcpRelay& relay) override;
  void OnRelayEnd(const TcpRelay& relay) override;
  void OnMirrorEnd(std::string_view service, int status, Failure failure) override;
  void OnDownstreamAccepted() override { accepted_.Add(1); }
  void OnDownstreamClosed() override { closed_.Add(1); }
  void OnDownstreamRefused(Refusal why) override { refused_[static_cast<size_t>(why)]->Add(1); }
  void OnUnmatched(const UnmatchedConnection& connection) override;
  void OnDetection(DetectionVerdict verdict) override {
    detections_[static_cast<size_t>(verdict)]->Add(1);
  }
  void OnUndetected(const BrokenConnection& connection) override { access_log_.Write(connection); }
  void OnBroken(const BrokenConnection& connection) override;
  void OnBreakerOpened(const upstream::ClusterSpec& cluster, FailureKind why) override;
  void OnOwnWorkload(const Workload& own) override {
    metrics_.SetOwnWorkload(own);
    recorder_.SetOwn(own.spiffe_id);
  }
  void OnConfigured(std::chrono::system_clock::time_point since, std::string_view name) override {
    recorder_.SetConfiguration(since, name);
  }
  void OnSeriesRetired() override;

 private:
  EndedRelay Ended(const TcpRelay& relay) const;
  // Workers count their own: the lowest digits tell them apart.
  uint64_t ConnectionId(uint64_t number) const {
    return number == 0 ? 0 : number * 1000 + static_cast<uint64_t>(worker_);
  }

  // Memory changes with traffic, so it is updated where traffic ends: no timer wakes an idle
  // worker.
  void ShowMemory() { memory_.Set(static_cast<double>(loop_.slab().bytes_reserved())); }

  loop::Loop& loop_;
  const int worker_;
  telemetry::Registry& registry_;
  RequestTelemetry metrics_;
  telemetry::Gauge& memory_;
  telemetry::Counter& accepted_;
  telemetry::Counter& closed_;
  AccessLog access_log_;
  SpanLog spans_;
  RequestRecorder recorder_;
  ConnectionRecorder connections_;
  CounterCells<2> denied_;  // of connections
  CounterCells<2> broken_;
  CounterCells<2> mirrored_;
  telemetry::Counter* refused_[7];     // by Refusal
  telemetry::Counter* detections_[9];  // by DetectionVerdict
};

}  // namespace tulle::proxy
