#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/admin/admin_server.h"
#include "sidecar/process/app_probes.h"
#include "sidecar/process/process_metrics.h"
#include "sidecar/process/worker_threads.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// The admin server, and where its pages get their content. Owner: Process. Thread: main.
class ProcessPages final {
 public:
  struct Hooks {
    std::function<bool()> is_ready;
    std::function<std::vector<std::string>()> problems;
    std::function<void()> quit;
    std::function<void()> drain_listeners;
    std::function<void(absl::AnyInvocable<void()> done)> leave;
  };
  // References outlive this.
  ProcessPages(loop::Loop& loop, ProcessMetrics& metrics, WorkerThreads& threads,
               telemetry::Log& log, Hooks hooks);

  // `named`: the address was configured, so that a port in use is an error.
  absl::Status Listen(const SocketAddress& address, bool named);
  // Each serves one thing alone, to everyone: the metrics, and the state with the application's
  // probes. Unset: not at all.
  absl::Status ListenReadOnly(std::optional<SocketAddress> metrics,
                              std::optional<SocketAddress> health,
                              std::unique_ptr<AppProbes> app_probes);

 private:
  void ShowLimits();

  ProcessMetrics& metrics_;
  WorkerThreads& threads_;
  const Hooks hooks_;
  admin::AdminSource source_;
  admin::AdminServer server_;
  // A page without its part of the source is not found.
  admin::AdminSource metrics_source_;
  admin::AdminSource health_source_;
  std::unique_ptr<AppProbes> app_probes_;
  admin::AdminServer metrics_server_;
  admin::AdminServer health_server_;
};

}  // namespace tulle::sidecar
