#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "certs/private_key.h"
#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/admin/admin_server.h"
#include "sidecar/command_line.h"
#include "sidecar/config/bootstrap.h"
#include "sidecar/control_name.h"
#include "sidecar/discovery.h"
#include "sidecar/dns_clusters.h"
#include "sidecar/identity/state_directory.h"
#include "sidecar/membership.h"
#include "sidecar/memory_watch.h"
#include "sidecar/proxy/access_log_writer.h"
#include "sidecar/sidecar.h"
#include "sidecar/span_export.h"
#include "sidecar/watchdog.h"
#include "sidecar/worker_thread.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// The running sidecar: puts the parts together for one of its two ways of running, and ends them in
// order. Owner: main(). Thread: main.
class Process final {
 public:
  Process(loop::Loop& loop, CommandLine command_line);
  ~Process();
  // Until a signal or /quitquitquit. Returns the exit code.
  int Run();

 private:
  // With --config.
  absl::Status StartFromFile();
  absl::Status ConnectToAds(const config::Bootstrap& bootstrap);
  // With --control.
  absl::Status StartFromControlPlane();

  void StartWorkers();
  std::unique_ptr<RemoteWorker> NewWorker(int index);
  void StartWatchdog();
  void EndLargest();
  void ShowMemory();
  absl::Status StartResolver();
  bool IsReady() const;
  void OnInForce();
  absl::Status StartAdmin(const SocketAddress& address, bool named);
  void FillAdminSource();
  void ListenToSignals();
  void BeginExit();
  void Exit();
  void ShowLimits();
  void WriteLog(telemetry::LogLevel level, telemetry::LogComponent component,
                const std::string& text);

  loop::Loop& loop_;
  const CommandLine command_line_;
  telemetry::Log log_;
  telemetry::Registry metrics_;
  telemetry::Registry log_writer_metrics_;
  telemetry::Registry watchdog_metrics_;
  std::vector<std::unique_ptr<telemetry::Registry>> worker_metrics_;
  proxy::AccessLogWriter access_log_;
  SpanExport spans_;
  proxy::SharedMemoryPressure memory_pressure_ = proxy::MemoryPressure::kNone;
  std::unique_ptr<Sidecar> sidecar_;
  std::vector<WorkerThread*> workers_;  // sidecar_'s
  MemoryWatch memory_watch_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::unique_ptr<DnsClusters> dns_clusters_;
  std::unique_ptr<ControlName> control_name_;  // with --control by name
  std::unique_ptr<Discovery> discovery_;       // with --config, if it names an ADS cluster
  certs::SystemKeySource keys_;
  std::optional<identity::StateDirectory> state_directory_;  // with --control
  std::unique_ptr<Membership> membership_;                   // with --control

  admin::AdminSource admin_source_;
  std::unique_ptr<admin::AdminServer> admin_;
  std::unique_ptr<Watchdog> watchdog_;  // goes before the threads that it watches
  std::shared_ptr<const identity::Identity> told_identity_;  // the one that collectors know
  bool announced_ = false;
  bool exiting_ = false;
  int exit_code_ = 0;
};

}  // namespace tulle::sidecar
