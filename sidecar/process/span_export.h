#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/proxy/span_log.h"
#include "telemetry/export/span_exporter.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// Sends the spans of all workers to their collectors: one exporter for each collector that the
// configuration names, connected through its cluster or, for the control plane's own, as discovery
// is. Owner: Process. Submit: any thread; the rest: main. Outlives the workers.
class SpanExport final : public proxy::SpanSink {
 public:
  // The cluster name that stands for the control plane that sent the configuration.
  static constexpr std::string_view kControlPlane = "tulle-control";

  SpanExport(loop::Loop& main, telemetry::Registry& registry);
  ~SpanExport() override;

  // The snapshot in force; may return null.
  void SetSnapshotSource(std::function<const config::Snapshot*()> source) {
    snapshot_ = std::move(source);
  }
  // Connects to the control plane; not set with a configuration file.
  void SetControlPlane(std::function<std::unique_ptr<Transport>()> connect) {
    control_plane_ = std::move(connect);
  }
  // The service name of spans, where the configuration does not set it, and the instance of it.
  void SetWorkload(std::string name, std::string namespace_name, std::string instance);

  // The certificate was renewed: collectors must see the new one.
  void Reconnect();

  bool Submit(const std::shared_ptr<const config::TracingSpec>& collector, std::string& spans,
              uint64_t count) override;

 private:
  struct Collector {
    std::shared_ptr<const config::TracingSpec> spec;
    std::unique_ptr<telemetry::SpanExporter> exporter;
  };

  void Add(const std::shared_ptr<const config::TracingSpec>& collector, std::string spans,
           uint64_t count);
  telemetry::SpanExporter& ExporterFor(const std::shared_ptr<const config::TracingSpec>& collector);
  std::unique_ptr<telemetry::SpanDelivery> NewDelivery(const config::TracingSpec& collector);
  std::unique_ptr<Transport> Dial(const std::string& cluster, size_t& turn);
  bool UsesTls(const config::TracingSpec& collector) const;
  std::string ResourceOf(const config::TracingSpec& collector) const;

  // Bytes posted by workers and not yet taken by the main thread.
  static constexpr size_t kMostPosted = 4 * 1024 * 1024;
  static constexpr size_t kMostCollectors = 8;

  loop::Loop& main_;
  telemetry::Registry& registry_;
  std::function<const config::Snapshot*()> snapshot_;
  std::function<std::unique_ptr<Transport>()> control_plane_;
  std::string name_;
  std::string namespace_;
  std::string instance_;
  std::atomic<size_t> posted_{0};
  std::list<Collector> collectors_;  // most recently used first
};

}  // namespace tulle::sidecar
