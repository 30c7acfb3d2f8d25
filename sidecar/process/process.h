#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/discovery/dns_clusters.h"
#include "sidecar/identity/identity.h"
#include "sidecar/process/collector_export.h"
#include "sidecar/process/command_line.h"
#include "sidecar/process/ending.h"
#include "sidecar/process/file_configuration.h"
#include "sidecar/process/mesh_configuration.h"
#include "sidecar/process/process_metrics.h"
#include "sidecar/process/process_pages.h"
#include "sidecar/process/worker_threads.h"
#include "sidecar/recorder/flight_recorder.h"
#include "telemetry/log.h"

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
  absl::Status Start();
  absl::Status StartResolver();
  absl::Status StartFromFile();          // --config
  absl::Status StartFromControlPlane();  // --control
  void ListenToSignals();
  ProcessPages::Hooks HooksForPages();
  bool IsReady() const;
  void OnInForce();
  void ShowErrors(const std::vector<ListenerError>& errors);
  std::vector<std::string> Problems() const;
  void ShowIdentity();
  void Withdraw(std::function<void()> done);

  loop::Loop& loop_;
  const CommandLine command_line_;
  telemetry::Log log_;
  ProcessMetrics metrics_;
  recorder::FlightRecorder recorder_;
  CollectorExport collectors_;
  WorkerThreads threads_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::unique_ptr<DnsClusters> dns_clusters_;
  std::unique_ptr<FileConfiguration> file_;  // with --config
  std::unique_ptr<MeshConfiguration> mesh_;  // with --control
  Ending ending_;
  ProcessPages pages_;
  std::shared_ptr<const identity::Identity> told_identity_;  // the one that collectors know
  bool announced_ = false;
  int exit_code_ = 0;
};

}  // namespace tulle::sidecar
