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

// The collectors of all workers' spans: one exporter for each that a configuration names, reached
// as its cluster says, or, for the control plane's, as discovery reaches it. Owner: Process.
// Submit: any thread; the rest: main. Outlives the workers.
class SpanExport final : public proxy::SpanSink {
 public:
  // The cluster by which a configuration means the control plane that it came from.
  static constexpr std::string_view kControlPlane = "tulle-control";

  SpanExport(loop::Loop& main, telemetry::Registry& registry);
  ~SpanExport() override;

  // What is in force; may answer null.
  void SetSnapshotSource(std::function<const config::Snapshot*()> source) {
    snapshot_ = std::move(source);
  }
  // The way to the control plane; none is known with a configuration from a file.
  void SetControlPlane(std::function<std::unique_ptr<Transport>()> connect) {
    control_plane_ = std::move(connect);
  }
  // Who tells: the workload, where the configuration does not say it.
  void SetWorkload(std::string name, std::string namespace_name);

  // Our certificate is another one: collectors shall see it.
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
  std::unique_ptr<Transport> Dial(const std::string& cluster, size_t& turn);
  bool UsesTls(const config::TracingSpec& collector) const;
  std::string ResourceOf(const config::TracingSpec& collector) const;

  // Posted by workers and not yet taken by the main thread.
  static constexpr size_t kMostPosted = 4 * 1024 * 1024;
  static constexpr size_t kMostCollectors = 8;

  loop::Loop& main_;
  telemetry::Registry& registry_;
  std::function<const config::Snapshot*()> snapshot_;
  std::function<std::unique_ptr<Transport>()> control_plane_;
  std::string name_;
  std::string namespace_;
  std::atomic<size_t> posted_{0};
  std::list<Collector> collectors_;  // the last used in front
};

}  // namespace tulle::sidecar
