#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "telemetry/families.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// The metrics of the process. Each thread writes to a registry of its own; Collect() reads all.
// Owner: Process. Made and read on the main thread; outlives the threads.
class ProcessMetrics final {
 public:
  explicit ProcessMetrics(int workers) {
    for (int i = 0; i < workers; ++i) workers_.push_back(std::make_unique<telemetry::Registry>());
  }

  telemetry::Registry& main() { return main_; }
  telemetry::Registry& log_writer() { return log_writer_; }
  telemetry::Registry& watchdog() { return watchdog_; }
  telemetry::Registry& worker(int index) { return *workers_[static_cast<size_t>(index)]; }

  // `only`: these families; empty: all.
  std::vector<telemetry::FamilySamples> Collect(
      std::span<const telemetry::FamilySpec* const> only = {}) const {
    std::vector<const telemetry::Registry*> all = {&main_, &log_writer_, &watchdog_};
    for (const auto& registry : workers_) all.push_back(registry.get());
    return telemetry::Collect(all, only);
  }

  // See telemetry::RetireIdle: the series of requests and connections, which workers count.
  bool RetireIdle(uint32_t sweep, uint32_t most_sweeps) {
    std::vector<telemetry::Registry*> all;
    for (const auto& registry : workers_) all.push_back(registry.get());
    return telemetry::RetireIdle(all, telemetry::ExpiringFamilies(), sweep, most_sweeps);
  }

 private:
  telemetry::Registry main_;
  telemetry::Registry log_writer_;
  telemetry::Registry watchdog_;
  std::vector<std::unique_ptr<telemetry::Registry>> workers_;
};

}  // namespace tulle::sidecar
