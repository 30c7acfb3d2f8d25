#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "sidecar/config/collector_spec.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/proxy/collector_batches.h"
#include "telemetry/export/batch_exporter.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// Sends the spans and log records of all workers to their collectors: one exporter for each
// collector that the configuration names, connected through its cluster or, for the control plane's
// own, as discovery is. Owner: Process. Submit: any thread; the rest: main. Outlives the workers.
class CollectorExport final : public proxy::CollectorSink {
 public:
  // The cluster name that stands for the control plane that sent the configuration.
  static constexpr std::string_view kControlPlane = "tulle-control";

  CollectorExport(loop::Loop& main, telemetry::Registry& registry, telemetry::Log& log);
  ~CollectorExport() override;

  // The snapshot in force; may return null.
  void SetSnapshotSource(std::function<const config::Snapshot*()> source) {
    snapshot_ = std::move(source);
  }
  // Connects to the control plane; not set with a configuration file.
  void SetControlPlane(std::function<std::unique_ptr<Transport>()> connect) {
    control_plane_ = std::move(connect);
  }
  // The service name of the resource, where the configuration does not set it, and the instance of
  // it.
  void SetWorkload(std::string name, std::string namespace_name, std::string instance);

  // The certificate was renewed: collectors must see the new one.
  void Reconnect();

  bool Submit(const std::shared_ptr<const config::CollectorSpec>& collector, std::string& records,
              uint64_t count, bool errors) override;

 private:
  struct Collector {
    std::shared_ptr<const config::CollectorSpec> spec;
    std::unique_ptr<telemetry::BatchExporter> exporter;
  };

  void Add(const std::shared_ptr<const config::CollectorSpec>& collector, std::string records,
           uint64_t count, bool errors);
  telemetry::BatchExporter& ExporterFor(
      const std::shared_ptr<const config::CollectorSpec>& collector);
  telemetry::BatchExporter::Options OptionsFor(const config::CollectorSpec& collector) const;
  void TellRefused(const config::CollectorSpec& collector, uint64_t count,
                   std::string_view why) const;
  std::unique_ptr<telemetry::Delivery> NewDelivery(const config::CollectorSpec& collector);
  std::unique_ptr<Transport> Dial(const std::string& cluster, size_t& turn);
  bool UsesTls(const config::CollectorSpec& collector) const;
  std::string ResourceOf(const config::CollectorSpec& collector) const;

  // Bytes of a signal that were posted by workers and not yet taken by the main thread.
  static constexpr size_t kMostPosted = 4 * 1024 * 1024;
  static constexpr size_t kMostPostedErrors = kMostPosted + 1024 * 1024;
  static constexpr size_t kMostCollectors = 16;

  loop::Loop& main_;
  telemetry::Registry& registry_;
  telemetry::Log& log_;
  std::function<const config::Snapshot*()> snapshot_;
  std::function<std::unique_ptr<Transport>()> control_plane_;
  std::string name_;
  std::string namespace_;
  std::string instance_;
  std::array<std::atomic<size_t>, 2> posted_{};  // by Signal
  std::list<Collector> collectors_;              // most recently used first
};

}  // namespace tulle::sidecar
