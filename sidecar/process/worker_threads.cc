#include "sidecar/process/worker_threads.h"

#include <malloc.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/tls/tls_transports.h"
#include "sidecar/proxy/traffic_observer.h"
#include "telemetry/families.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr int kStalledExitCode = 70;  // EX_SOFTWARE
constexpr loop::Duration kReturnEvery = std::chrono::seconds(5);
// Less is not worth a malloc_trim, which looks at all free memory.
constexpr size_t kWorthReturning = 1024 * 1024;
// A series ends between this many sweeps and one more after its last change.
constexpr uint32_t kSweepsUntilExpiry = 12;

}  // namespace

WorkerThreads::WorkerThreads(loop::Loop& loop, const Options& options, ProcessMetrics& metrics,
                             telemetry::Log& log, proxy::CollectorSink& collectors,
                             recorder::FlightRecorder& recorder)
    : loop_(loop),
      options_(options),
      metrics_(metrics),
      log_(log),
      collectors_(collectors),
      recorder_(recorder),
      access_log_(metrics.log_writer()),
      memory_watch_(loop, ControlGroup(), memory_pressure_, [this] { EndLargest(); }),
      return_timer_(loop.NewTimer([this] { ReturnMemory(); })),
      sweep_timer_(loop.NewTimer([this] { SweepSeries(); })) {
  Sidecar::Options parts;
  parts.workers = options.workers;
  parts.new_worker = [this](int index) { return NewWorker(index); };
  sidecar_ = std::make_unique<Sidecar>(loop, tls::TlsTransports(), std::move(parts));
}

WorkerThreads::~WorkerThreads() = default;

std::unique_ptr<RemoteWorker> WorkerThreads::NewWorker(int index) {
  recorder::WorkerRecorder* const recorder = options_.records ? &recorder_.worker(index) : nullptr;
  const auto make_observer = [this, index, recorder](loop::Loop& loop) {
    return std::make_unique<proxy::TrafficObserver>(loop, metrics_.worker(index), index,
                                                    access_log_, &collectors_, recorder);
  };
  auto worker = std::make_unique<WorkerThread>(index, make_observer, &memory_pressure_);
  // Before its first listener, which is posted too.
  if (options_.shows_causes) worker->Post([](Worker& of_thread) { of_thread.ShowCauses(); });
  workers_.push_back(worker.get());
  return worker;
}

void WorkerThreads::StartGuards() {
  memory_watch_.Start();
  StartWatchdog();
  ReturnMemory();
  if (options_.series_expiry.count() != 0) SweepSeries();
}

// What a peak of connections or bodies took goes back to the system: the slabs give it to malloc
// first.
void WorkerThreads::ReturnMemory() {
  return_timer_->Start(kReturnEvery);
  returned_ += loop_.slab().Trim();
  for (WorkerThread* one : workers_)
    one->Post([this](Worker& worker) { returned_ += worker.slab().Trim(); });
  if (returned_ < kWorthReturning) return;
  returned_ = 0;
  malloc_trim(0);
}

void WorkerThreads::SweepSeries() {
  sweep_timer_->Start(loop::Duration(options_.series_expiry) / kSweepsUntilExpiry);
  if (!metrics_.RetireIdle(++sweeps_, kSweepsUntilExpiry)) return;
  for (WorkerThread* one : workers_) one->Post([](Worker& worker) { worker.DropRetiredSeries(); });
}

// The main thread may wait for a disk while workers serve well: only a stalled worker ends the
// process.
void WorkerThreads::StartWatchdog() {
  const int limit = options_.stall_limit_seconds;
  Watchdog::Events events;
  events.on_stall = [this](const std::string& name) {
    metrics_.watchdog().CounterRow(telemetry::kStalls, std::array<std::string_view, 1>{name}).Add();
    log_.Write(LogLevel::kWarning, LogComponent::kMain,
               absl::StrCat(name, " unresponsive for 200 ms; its connections are stalled"));
  };
  events.on_limit = [this, limit](const std::string& name) {
    log_.Write(LogLevel::kError, LogComponent::kMain,
               absl::StrCat(name, " unresponsive for ", limit,
                            " s (--stall-limit): exiting to be restarted"));
    std::_Exit(kStalledExitCode);
  };
  watchdog_ = std::make_unique<Watchdog>(std::move(events), std::chrono::seconds(limit));
  watchdog_->Watch("main", false, [this](auto task) { loop_.Post(std::move(task)); });
  for (size_t i = 0; i < workers_.size(); ++i) {
    watchdog_->Watch(absl::StrCat("worker-", i), true,
                     [worker = workers_[i]](auto task) { worker->PostToLoop(std::move(task)); });
  }
  watchdog_->Start();
}

void WorkerThreads::EndLargest() {
  for (WorkerThread* one : workers_) one->Post([](Worker& worker) { worker.EndLargest(); });
}

void WorkerThreads::ShowMemory() {
  const std::optional<MemoryUse>& use = memory_watch_.use();
  if (!use) return;
  telemetry::Registry& main = metrics_.main();
  main.GaugeRow(telemetry::kMemoryUsed).Set(static_cast<double>(use->used));
  main.GaugeRow(telemetry::kMemoryLimit).Set(static_cast<double>(use->limit));
  main.GaugeRow(telemetry::kMemoryPressure).Set(static_cast<double>(memory_watch_.pressure()));
}

}  // namespace tulle::sidecar
