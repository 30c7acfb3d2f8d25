#include "sidecar/process/process.h"

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/dns/ares_resolver.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/proxy/workload.h"
#include "telemetry/families.h"
#include "telemetry/version.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

}  // namespace

Process::Process(loop::Loop& loop, CommandLine command_line)
    : loop_(loop),
      command_line_(std::move(command_line)),
      log_(command_line_.log_level,
           command_line_.log_json ? telemetry::Log::Form::kJson : telemetry::Log::Form::kText),
      metrics_(command_line_.workers),
      recorder_(command_line_.workers),
      collectors_(loop, metrics_.main(), log_),
      threads_(
          loop,
          {command_line_.workers, command_line_.stall_limit_seconds, command_line_.cause_header,
           std::chrono::seconds(command_line_.series_expiry_seconds), command_line_.records},
          metrics_, log_, collectors_, recorder_),
      ending_(loop, threads_.sidecar(), log_,
              {std::chrono::seconds(command_line_.drain_seconds),
               std::chrono::milliseconds(command_line_.drain_quiet_ms)},
              [this](std::function<void()> done) { Withdraw(std::move(done)); }),
      pages_(loop, metrics_, threads_, log_, HooksForPages()) {
  metrics_.main()
      .GaugeRow(telemetry::kBuild, std::array<std::string_view, 2>{telemetry::kVersion, ""})
      .Set(1);
  metrics_.main()
      .GaugeRow(telemetry::kIstioBuild,
                std::array<std::string_view, 2>{"proxy", telemetry::kVersion})
      .Set(1);
  threads_.sidecar().OnVersionInForce([this] { OnInForce(); });
  collectors_.SetSnapshotSource([this] { return threads_.sidecar().in_force(); });
}

Process::~Process() = default;

int Process::Run() {
  if (absl::Status started = Start(); !started.ok()) {
    log_.Write(LogLevel::kError, LogComponent::kMain, std::string(started.message()));
    return 1;
  }
  ListenToSignals();
  threads_.StartGuards();
  loop_.Run();
  return exit_code_;
}

absl::Status Process::Start() {
  if (absl::Status resolver = StartResolver(); !resolver.ok()) return resolver;
  return command_line_.control.empty() ? StartFromFile() : StartFromControlPlane();
}

absl::Status Process::StartResolver() {
  auto resolver = dns::NewAresResolver(loop_, {command_line_.dns_servers});
  if (!resolver.ok()) return resolver.status();
  resolver_ = *std::move(resolver);
  dns_clusters_ = std::make_unique<DnsClusters>(loop_, threads_.sidecar(), *resolver_, log_);
  return absl::OkStatus();
}

absl::Status Process::StartFromFile() {
  file_ = std::make_unique<FileConfiguration>(loop_, command_line_.config_file, threads_.sidecar(),
                                              log_, metrics_.main());
  if (absl::Status loaded = file_->Load(); !loaded.ok()) return loaded;
  threads_.sidecar().SetOwnWorkload(proxy::WorkloadOf("", command_line_.workload.labels));
  if (file_->admin()) {
    if (absl::Status listens = pages_.Listen(*file_->admin(), true); !listens.ok()) return listens;
  }
  return file_->Start();
}

absl::Status Process::StartFromControlPlane() {
  mesh_ = std::make_unique<MeshConfiguration>(loop_, command_line_, threads_.sidecar(), log_,
                                              metrics_, recorder_);
  if (absl::Status prepared = mesh_->Prepare(); !prepared.ok()) return prepared;
  // Checked by ParseCommandLine.
  const SocketAddress admin = *SocketAddress::ParseWithPort(command_line_.admin);
  if (absl::Status listens = pages_.Listen(admin, false); !listens.ok()) return listens;
  auto probes = AppProbes::Make(loop_, tls::TlsTransports(), command_line_.app_probes);
  if (!probes.ok()) return probes.status();
  absl::Status read_only =
      pages_.ListenReadOnly(SocketAddress::ParseWithPort(command_line_.metrics),
                            SocketAddress::ParseWithPort(command_line_.health), *std::move(probes));
  if (!read_only.ok()) return read_only;
  if (absl::Status started = mesh_->Start(*resolver_); !started.ok()) return started;
  collectors_.SetControlPlane([this] { return mesh_->membership().ConnectToControl(); });
  mesh_->membership().Start();
  return absl::OkStatus();
}

ProcessPages::Hooks Process::HooksForPages() {
  ProcessPages::Hooks hooks;
  hooks.is_ready = [this] { return IsReady(); };
  hooks.problems = [this] { return Problems(); };
  hooks.quit = [this] { ending_.Exit(); };
  hooks.drain_listeners = [this] { ending_.DrainOnly(); };
  hooks.leave = [this](absl::AnyInvocable<void()> done) {
    ending_.Leave(
        [done = std::make_shared<absl::AnyInvocable<void()>>(std::move(done))] { (*done)(); });
  };
  return hooks;
}

// With a control plane: not before there is an identity. The first version holds the own
// certificate alone: a workload that asked for listeners waits for them, from the disk or by xDS,
// where they follow its registration.
bool Process::IsReady() const {
  if (!threads_.sidecar().ready()) return false;
  if (command_line_.control.empty()) return true;
  if (!mesh_->has_membership() || mesh_->membership().identity() == nullptr) return false;
  return !command_line_.workload.has_listeners() ||
         !threads_.sidecar().in_force()->listeners.empty();
}

void Process::OnInForce() {
  if (mesh_ != nullptr) mesh_->membership().OnVersionInForce();
  const std::vector<ListenerError>& errors = threads_.sidecar().errors();
  ShowErrors(errors);
  if (command_line_.control.empty() && !announced_ && !errors.empty()) {
    exit_code_ = 1;
    return loop_.Stop();
  }
  if (mesh_ != nullptr) ShowIdentity();
  if (announced_ || !IsReady()) return;
  announced_ = true;
  log_.Write(LogLevel::kInfo, LogComponent::kMain, "ready");
}

void Process::ShowErrors(const std::vector<ListenerError>& errors) {
  metrics_.main().Forget(telemetry::kListenerFailed);
  for (const ListenerError& error : errors) {
    log_.Write(LogLevel::kError, LogComponent::kProxy, error.ToText());
    metrics_.main()
        .GaugeRow(telemetry::kListenerFailed, std::array<std::string_view, 1>{error.listener})
        .Set(1);
  }
}

// What keeps it from being ready, or what it cannot do although it is.
std::vector<std::string> Process::Problems() const {
  std::vector<std::string> problems;
  for (const ListenerError& error : threads_.sidecar().errors()) problems.push_back(error.ToText());
  if (mesh_ == nullptr || !mesh_->has_membership()) return problems;
  const std::string& registration = mesh_->membership().registration_error();
  if (!registration.empty()) problems.push_back(registration);
  return problems;
}

void Process::ShowIdentity() {
  const auto& identity = mesh_->membership().identity();
  if (identity == nullptr) return;
  const proxy::Workload own = proxy::WorkloadOf(identity->spiffe_id);
  collectors_.SetWorkload(own.name, own.namespace_name, mesh_->membership().instance_id());
  if (std::exchange(told_identity_, identity) != identity) collectors_.Reconnect();
}

void Process::ListenToSignals() {
  for (int signal : {SIGTERM, SIGINT}) loop_.OnSignal(signal, [this] { ending_.Exit(); });
  loop_.OnSignal(SIGUSR1, [this] { threads_.ReopenAccessLog(); });
}

void Process::Withdraw(std::function<void()> done) {
  if (mesh_ == nullptr || !mesh_->has_membership()) return done();
  mesh_->membership().Leave(std::move(done));
}

}  // namespace tulle::sidecar
