#include "sidecar/process.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/dns/ares_resolver.h"
#include "net/tls/tls_transports.h"
#include "sidecar/admin/snapshot_pages.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/policy/rule.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/proxy/traffic_observer.h"
#include "sidecar/status_pages.h"
#include "sidecar/upstream/dial.h"
#include "telemetry/families.h"
#include "telemetry/version.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr int kStalledExitCode = 70;  // EX_SOFTWARE

// Whether this machine has an IPv6 loopback to listen on.
bool HasIpv6(loop::Loop& loop) {
  class Nobody final : public loop::ListenerEvents {
    void OnAccept(std::unique_ptr<loop::Socket>) override {}
  } nobody;
  int error = 0;
  return loop.Listen(*SocketAddress::Parse("::1", 0), {}, nobody, &error) != nullptr;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat(path, " cannot be read"));
  return text.str();
}

}  // namespace

Process::Process(loop::Loop& loop, CommandLine command_line)
    : loop_(loop),
      command_line_(std::move(command_line)),
      log_(telemetry::ParseLogLevel(command_line_.log_level).value_or(LogLevel::kInfo),
           command_line_.log_json ? telemetry::Log::Form::kJson : telemetry::Log::Form::kText),
      access_log_(log_writer_metrics_),
      spans_(loop, metrics_),
      memory_watch_(loop, ControlGroup(), memory_pressure_, [this] { EndLargest(); }) {}

Process::~Process() = default;

int Process::Run() {
  StartWorkers();
  absl::Status started = StartResolver();
  if (started.ok()) {
    started = command_line_.control.empty() ? StartFromFile() : StartFromControlPlane();
  }
  if (!started.ok()) {
    WriteLog(LogLevel::kError, LogComponent::kMain, std::string(started.message()));
    return 1;
  }
  ListenToSignals();
  memory_watch_.Start();
  StartWatchdog();
  loop_.Run();
  return exit_code_;
}

void Process::WriteLog(LogLevel level, LogComponent component, const std::string& text) {
  log_.Write(level, component, text);
}

void Process::StartWorkers() {
  metrics_.GaugeRow(telemetry::kBuild, std::array<std::string_view, 2>{telemetry::kVersion, ""})
      .Set(1);
  for (int i = 0; i < command_line_.workers; ++i) {
    worker_metrics_.push_back(std::make_unique<telemetry::Registry>());
  }
  Sidecar::Options options;
  options.workers = command_line_.workers;
  options.new_worker = [this](int index) { return NewWorker(index); };
  sidecar_ = std::make_unique<Sidecar>(loop_, tls::TlsTransports(), std::move(options));
  sidecar_->OnVersionInForce([this] { OnInForce(); });
  spans_.SetSnapshotSource([this] { return sidecar_->in_force(); });
}

std::unique_ptr<RemoteWorker> Process::NewWorker(int index) {
  const auto make_observer = [this, index](loop::Loop& loop) {
    return std::make_unique<proxy::TrafficObserver>(
        loop, *worker_metrics_[static_cast<size_t>(index)], index, access_log_, &spans_);
  };
  auto worker = std::make_unique<WorkerThread>(index, make_observer, &memory_pressure_);
  workers_.push_back(worker.get());
  return worker;
}

// The main thread may wait for a disk while workers serve well: only theirs is worth a new start.
void Process::StartWatchdog() {
  const int limit = command_line_.stall_limit_seconds;
  Watchdog::Events events;
  events.on_stall = [this](const std::string& name) {
    watchdog_metrics_.CounterRow(telemetry::kStalls, std::array<std::string_view, 1>{name}).Add();
    WriteLog(LogLevel::kWarning, LogComponent::kMain,
             absl::StrCat(name, " has not answered for 200 ms: what it carries waits"));
  };
  events.on_limit = [this, limit](const std::string& name) {
    WriteLog(LogLevel::kError, LogComponent::kMain,
             absl::StrCat(name, " has not answered for ", limit,
                          " s (--stall-limit): the process ends, to be started anew"));
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

void Process::EndLargest() {
  for (WorkerThread* one : workers_) one->Post([](Worker& worker) { worker.EndLargest(); });
}

absl::Status Process::StartResolver() {
  auto resolver = dns::NewAresResolver(loop_, {command_line_.dns_servers});
  if (!resolver.ok()) return resolver.status();
  resolver_ = *std::move(resolver);
  dns_clusters_ = std::make_unique<DnsClusters>(loop_, *sidecar_, *resolver_, log_);
  return absl::OkStatus();
}

absl::Status Process::StartFromFile() {
  const std::string& file = command_line_.config_file;
  auto text = ReadFile(file);
  if (!text.ok()) return text.status();
  auto bootstrap = config::ParseBootstrap(*text, file);
  if (!bootstrap.ok()) return bootstrap.status();
  absl::Status loaded = config::LoadStaticResources(*bootstrap, file, sidecar_->loader());
  if (!loaded.ok()) return loaded;
  for (const std::string& path : bootstrap->without_effect) {
    WriteLog(LogLevel::kWarning, LogComponent::kConfig,
             absl::StrCat(path, " is accepted and does nothing"));
  }
  metrics_.GaugeRow(telemetry::kConfigWarnings)
      .Set(static_cast<double>(bootstrap->without_effect.size()));
  if (bootstrap->max_downstream_connections > 0)
    sidecar_->LimitDownstream(bootstrap->max_downstream_connections);
  if (bootstrap->admin) {
    if (absl::Status admin = StartAdmin(*bootstrap->admin, true); !admin.ok()) return admin;
  }
  // What the file names and does not hold will not come from anywhere else.
  if (!bootstrap->ads && sidecar_->loader().dns_clusters().empty())
    sidecar_->loader().GiveUpWaiting();
  sidecar_->Publish();
  return bootstrap->ads ? ConnectToAds(*bootstrap) : absl::OkStatus();
}

absl::Status Process::ConnectToAds(const config::Bootstrap& bootstrap) {
  const config::AdsSpec& ads = *bootstrap.ads;
  if (!ads.delta) {
    return absl::UnimplementedError(
        "dynamic_resources.ads_config.api_type: GRPC (state of the world) is not spoken yet; use "
        "DELTA_GRPC");
  }
  const auto& clusters = sidecar_->loader().Current()->clusters;
  const auto found = clusters.find(ads.cluster);
  if (found == clusters.end() || found->second->static_endpoints == nullptr ||
      found->second->static_endpoints->endpoints.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("dynamic_resources.ads_config: cluster ",
                                                   ads.cluster,
                                                   " must be a static cluster with an endpoint"));
  }
  Discovery::Options options;
  options.node = bootstrap.node_bytes;
  options.authority = ads.authority.empty() ? ads.cluster : ads.authority;
  const std::shared_ptr<const upstream::ClusterSpec> cluster = found->second;
  if (cluster->transport_sockets.front().tls == nullptr) options.scheme = "http";
  options.all_listeners = bootstrap.dynamic_listeners;
  options.all_clusters = bootstrap.dynamic_clusters;
  discovery_ = std::make_unique<Discovery>(
      loop_, *sidecar_,
      [this, cluster, next = size_t{0}]() mutable {
        const auto& endpoints = cluster->static_endpoints->endpoints;
        return upstream::Dial(loop_, *cluster, endpoints[next++ % endpoints.size()],
                              cluster->transport_sockets.front());
      },
      std::move(options), log_, metrics_);
  discovery_->Start();
  return absl::OkStatus();
}

absl::Status Process::StartFromControlPlane() {
  const auto control = ParseControl(command_line_.control);
  if (!control.ok()) return control.status();
  const std::optional<SocketAddress> admin = SocketAddress::ParseWithPort(command_line_.admin);
  if (!admin) {
    return absl::InvalidArgumentError(
        absl::StrCat("--admin ", command_line_.admin, ": expected ADDRESS:PORT"));
  }
  std::vector<policy::Cidr> mesh_ranges;
  for (const std::string& text : command_line_.mesh_ranges) {
    const std::optional<policy::Cidr> range = policy::ParseCidr(text);
    if (!range) {
      return absl::InvalidArgumentError(
          absl::StrCat("--mesh-range ", text, ": expected a CIDR, such as 240.240.0.0/16"));
    }
    mesh_ranges.push_back(*range);
  }
  auto held = identity::StateDirectory::Hold(command_line_.state_directory);
  if (!held.ok()) return held.status();
  state_directory_ = *std::move(held);
  if (absl::Status started = StartAdmin(*admin, false); !started.ok()) return started;
  Workload workload = command_line_.workload;
  workload.has_ipv6 = HasIpv6(loop_);
  auto membership =
      Membership::Make(loop_, *sidecar_, tls::TlsTransports(), keys_,
                       {control->addresses, command_line_.token_file, command_line_.state_directory,
                        std::move(workload), std::move(mesh_ranges)},
                       log_, metrics_);
  if (!membership.ok()) return membership.status();
  membership_ = *std::move(membership);
  if (control->addresses.empty()) {
    control_name_ = std::make_unique<ControlName>(
        loop_, *resolver_, *control, log_,
        [this](std::vector<SocketAddress> found) { membership_->SetControl(std::move(found)); });
  }
  spans_.SetControlPlane([this] { return membership_->ConnectToControl(); });
  membership_->Start();
  return absl::OkStatus();
}

// Under a control plane the first version holds the own certificate alone: a workload that asked
// for listeners waits for them, from the disk or by xDS.
bool Process::IsReady() const {
  const config::Snapshot* in_force = sidecar_->in_force();
  if (in_force == nullptr) return false;
  if (command_line_.control.empty() || !command_line_.workload.has_listeners()) return true;
  return !in_force->listeners.empty();
}

void Process::OnInForce() {
  if (membership_ != nullptr) membership_->OnVersionInForce();
  for (const std::string& error : sidecar_->errors())
    WriteLog(LogLevel::kError, LogComponent::kProxy, error);
  if (command_line_.control.empty() && !announced_ && !sidecar_->errors().empty()) {
    exit_code_ = 1;
    return Exit();
  }
  if (membership_ != nullptr && membership_->identity() != nullptr) {
    const proxy::OwnWorkload own = proxy::OwnWorkloadOf(membership_->identity()->spiffe_id);
    spans_.SetWorkload(own.name, own.namespace_name);
    if (std::exchange(told_identity_, membership_->identity()) != membership_->identity())
      spans_.Reconnect();
  }
  if (announced_ || !IsReady()) return;
  announced_ = true;
  WriteLog(LogLevel::kInfo, LogComponent::kMain, "ready");
}

absl::Status Process::StartAdmin(const SocketAddress& address, bool named) {
  FillAdminSource();
  admin_ = std::make_unique<admin::AdminServer>(loop_, admin_source_);
  return admin_->Listen(address, named);
}

void Process::FillAdminSource() {
  admin_source_.state = [this] {
    admin::AdminSource::State state;
    state.ready = IsReady() && !sidecar_->draining();
    state.name = sidecar_->draining() ? "DRAINING" : state.ready ? "LIVE" : "PRE_INITIALIZING";
    return state;
  };
  admin_source_.metrics = [this] {
    ShowLimits();
    ShowMemory();
    std::vector<const telemetry::Registry*> all = {&metrics_, &log_writer_metrics_,
                                                   &watchdog_metrics_};
    for (const auto& registry : worker_metrics_) all.push_back(registry.get());
    return telemetry::Collect(all);
  };
  FillStatusPages(*sidecar_, admin_source_);
  admin_source_.log = &log_;
  admin_source_.quit = [this] { BeginExit(); };
  admin_source_.drain_listeners = [this] {
    sidecar_->Drain(std::chrono::hours(24), std::chrono::milliseconds(command_line_.drain_quiet_ms),
                    [] {});
  };
}

void Process::ShowLimits() {
  metrics_.Forget(telemetry::kUpstreamLimit);
  metrics_.Forget(telemetry::kBreakerState);
  metrics_.Forget(telemetry::kEndpointChecked);
  sidecar_->VisitLimits(
      [this](const upstream::ClusterSpec& cluster, upstream::ClusterLimits& limits) {
        admin::ShowLimits(metrics_, cluster, limits);
      });
}

void Process::ShowMemory() {
  const std::optional<MemoryUse>& use = memory_watch_.use();
  if (!use) return;
  metrics_.GaugeRow(telemetry::kMemoryUsed).Set(static_cast<double>(use->used));
  metrics_.GaugeRow(telemetry::kMemoryLimit).Set(static_cast<double>(use->limit));
  metrics_.GaugeRow(telemetry::kMemoryPressure).Set(static_cast<double>(memory_watch_.pressure()));
}

void Process::ListenToSignals() {
  for (int signal : {SIGTERM, SIGINT}) loop_.OnSignal(signal, [this] { BeginExit(); });
  loop_.OnSignal(SIGUSR1, [this] { access_log_.Reopen(); });
}

// Traffic goes elsewhere first, then requests may end.
void Process::BeginExit() {
  if (exiting_) return Exit();  // asked twice: at once
  exiting_ = true;
  WriteLog(LogLevel::kInfo, LogComponent::kMain, "draining");
  sidecar_->AnnounceEnd();
  const auto drain = [this] {
    sidecar_->Drain(std::chrono::seconds(command_line_.drain_seconds),
                    std::chrono::milliseconds(command_line_.drain_quiet_ms), [this] { Exit(); });
  };
  if (membership_ != nullptr) return membership_->Leave(drain);
  drain();
}

void Process::Exit() { loop_.Stop(); }

}  // namespace tulle::sidecar
