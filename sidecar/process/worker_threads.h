#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/dataplane/worker_thread.h"
#include "sidecar/process/memory_watch.h"
#include "sidecar/process/process_metrics.h"
#include "sidecar/process/watchdog.h"
#include "sidecar/proxy/access_log_writer.h"
#include "sidecar/proxy/span_log.h"
#include "sidecar/recorder/flight_recorder.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// The data plane with its threads: workers with their observers, and the guards that watch them.
// Owner: Process. Thread: main. Order: StartGuards once, when the configuration was loaded.
class WorkerThreads final {
 public:
  struct Options {
    int workers = 1;
    int stall_limit_seconds = 60;  // 0: none
    bool shows_causes = false;     // see proxy::Services
    // Series of metrics that do not change for this long end; 0: never.
    std::chrono::seconds series_expiry{0};
    bool records = true;  // what requests did, in the flight recorder
  };
  // References outlive this.
  WorkerThreads(loop::Loop& loop, const Options& options, ProcessMetrics& metrics,
                telemetry::Log& log, proxy::CollectorSink& collectors,
                recorder::FlightRecorder& recorder);
  ~WorkerThreads();

  Sidecar& sidecar() const { return *sidecar_; }
  void StartGuards();
  void ReopenAccessLog() { access_log_.Reopen(); }
  // Writes the memory that is used into the main thread's metrics.
  void ShowMemory();

 private:
  std::unique_ptr<RemoteWorker> NewWorker(int index);
  void StartWatchdog();
  void EndLargest();
  void ReturnMemory();
  void SweepSeries();

  loop::Loop& loop_;
  const Options options_;
  ProcessMetrics& metrics_;
  telemetry::Log& log_;
  proxy::CollectorSink& collectors_;
  recorder::FlightRecorder& recorder_;
  proxy::AccessLogWriter access_log_;
  proxy::SharedMemoryPressure memory_pressure_ = proxy::MemoryPressure::kNone;
  std::atomic<size_t> returned_ = 0;  // bytes that slabs gave back to malloc, not yet to the system
  std::vector<WorkerThread*> workers_;  // sidecar_'s
  std::unique_ptr<Sidecar> sidecar_;
  MemoryWatch memory_watch_;
  std::unique_ptr<loop::Timer> return_timer_;
  std::unique_ptr<loop::Timer> sweep_timer_;
  uint32_t sweeps_ = 0;
  std::unique_ptr<Watchdog> watchdog_;  // ends before the threads that it watches
};

}  // namespace tulle::sidecar
