#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "certs/private_key.h"
#include "net/loop/loop.h"
#include "sidecar/admin/admin_server.h"
#include "sidecar/command_line.h"
#include "sidecar/config/bootstrap.h"
#include "sidecar/discovery.h"
#include "sidecar/identity/identity_agent.h"
#include "sidecar/proxy/access_log_writer.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/registration.h"
#include "sidecar/sidecar.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// The running sidecar: puts the parts together for one of its two ways of running, and ends them in
// order. Owner: main(). Thread: main.
class Process final : private identity::IdentityAgent::Events {
 public:
  Process(loop::Loop& loop, CommandLine command_line);
  ~Process() override;
  // Until a signal or /quitquitquit. Returns the exit code.
  int Run();

 private:
  // With --config.
  absl::Status StartFromFile();
  absl::Status ConnectToAds(const config::Bootstrap& bootstrap);
  // With --control.
  absl::Status StartFromControlPlane();
  void OnIdentity(const std::shared_ptr<const identity::Identity>& identity) override;
  void OnIdentityError(const std::string& error) override;
  std::string NodeBytes() const;
  std::string InstanceId();

  void StartWorkers();
  bool IsReady() const;
  void OnInForce();
  absl::Status StartAdmin(const SocketAddress& address, bool named);
  void FillAdminSource();
  void ListenToSignals();
  void BeginExit();
  void Exit();
  proxy::OwnWorkload OwnWorkload() const;
  void WriteLog(telemetry::LogLevel level, telemetry::LogComponent component,
                const std::string& text);

  loop::Loop& loop_;
  const CommandLine command_line_;
  telemetry::Log log_;
  telemetry::Registry metrics_;
  telemetry::Registry log_writer_metrics_;
  std::vector<std::unique_ptr<telemetry::Registry>> worker_metrics_;
  proxy::AccessLogWriter access_log_;
  std::unique_ptr<Sidecar> sidecar_;
  std::string bootstrap_node_;
  std::string spiffe_id_;

  certs::SystemKeySource keys_;
  std::unique_ptr<identity::IdentityAgent> identity_;
  std::unique_ptr<Discovery> discovery_;
  std::unique_ptr<Registration> registration_;
  std::string instance_id_;

  admin::AdminSource admin_source_;
  std::unique_ptr<admin::AdminServer> admin_;
  bool announced_ = false;
  bool exiting_ = false;
  int exit_code_ = 0;
};

}  // namespace tulle::sidecar
