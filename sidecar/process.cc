#include "sidecar/process.h"

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "net/tls/tls_transports.h"
#include "sidecar/identity/state_file.h"
#include "sidecar/proxy/traffic_observer.h"
#include "sidecar/status_pages.h"
#include "sidecar/upstream/dial.h"
#include "telemetry/families.h"
#include "telemetry/version.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr char kOwnSecret[] = "default";
constexpr char kRootsSecret[] = "ROOTCA";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat(path, " cannot be read"));
  return text.str();
}

std::string SecretOf(const identity::Identity& identity) {
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.set_name(kOwnSecret);
  secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string(
      identity.chain_pem);
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string(identity.key_pem);
  return secret.SerializeAsString();
}

std::string RootsIn(const std::string& bytes) {
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  if (!secret.ParseFromString(bytes)) return "";
  const auto& roots = secret.validation_context().trusted_ca();
  return roots.inline_string().empty() ? roots.inline_bytes() : roots.inline_string();
}

}  // namespace

Process::Process(loop::Loop& loop, CommandLine command_line)
    : loop_(loop),
      command_line_(std::move(command_line)),
      log_(telemetry::ParseLogLevel(command_line_.log_level).value_or(LogLevel::kInfo),
           command_line_.log_json ? telemetry::Log::Form::kJson : telemetry::Log::Form::kText),
      access_log_(log_writer_metrics_) {}

Process::~Process() = default;

int Process::Run() {
  StartWorkers();
  const absl::Status started =
      command_line_.control.empty() ? StartFromFile() : StartFromControlPlane();
  if (!started.ok()) {
    WriteLog(LogLevel::kError, LogComponent::kMain, std::string(started.message()));
    return 1;
  }
  ListenToSignals();
  loop_.Run();
  return exit_code_;
}

void Process::WriteLog(LogLevel level, LogComponent component, const std::string& text) {
  log_.Write(level, component, text);
}

proxy::OwnWorkload Process::OwnWorkload() const {
  proxy::OwnWorkload own;
  own.spiffe_id = spiffe_id_;
  // spiffe://TD/ns/NAMESPACE/sa/ACCOUNT
  const size_t ns = spiffe_id_.find("/ns/");
  const size_t account = spiffe_id_.find("/sa/");
  if (ns != std::string::npos && account != std::string::npos && ns < account) {
    own.namespace_name = spiffe_id_.substr(ns + 4, account - ns - 4);
    own.name = spiffe_id_.substr(account + 4);
  }
  return own;
}

void Process::StartWorkers() {
  metrics_.GaugeRow(telemetry::kBuild, std::array<std::string_view, 2>{telemetry::kVersion, ""})
      .Set(1);
  for (int i = 0; i < command_line_.workers; ++i) {
    worker_metrics_.push_back(std::make_unique<telemetry::Registry>());
  }
  Sidecar::Options options;
  options.workers = command_line_.workers;
  options.make_observer = [this,
                           next = 0](loop::Loop& loop) mutable -> std::unique_ptr<proxy::Observer> {
    return std::make_unique<proxy::TrafficObserver>(
        loop, *worker_metrics_[static_cast<size_t>(next++)], OwnWorkload(), access_log_);
  };
  sidecar_ = std::make_unique<Sidecar>(loop_, tls::TlsTransports(), std::move(options));
  sidecar_->OnVersionInForce([this] { OnInForce(); });
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
  bootstrap_node_ = bootstrap->node_id;
  if (bootstrap->max_downstream_connections > 0)
    sidecar_->LimitDownstream(bootstrap->max_downstream_connections);
  if (bootstrap->admin) {
    if (absl::Status admin = StartAdmin(*bootstrap->admin, true); !admin.ok()) return admin;
  }
  // What the file names and does not hold will not come from anywhere else.
  if (!bootstrap->ads) sidecar_->loader().GiveUpWaiting();
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
  const std::optional<SocketAddress> control = SocketAddress::ParseWithPort(command_line_.control);
  if (!control) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--control ", command_line_.control, ": expected ADDRESS:PORT, such as 127.0.0.1:15012"));
  }
  const std::optional<SocketAddress> admin = SocketAddress::ParseWithPort(command_line_.admin);
  if (!admin) {
    return absl::InvalidArgumentError(
        absl::StrCat("--admin ", command_line_.admin, ": expected ADDRESS:PORT"));
  }
  if (absl::Status started = StartAdmin(*admin, false); !started.ok()) return started;
  instance_id_ = InstanceId();
  auto registration = MakeRegistration(command_line_.workload, instance_id_);
  if (!registration.ok()) return registration.status();

  identity::AgentOptions options{
      {*control}, command_line_.token_file, command_line_.state_directory};
  identity_ = std::make_unique<identity::IdentityAgent>(
      loop_, tls::TlsTransports(), keys_, std::move(options),
      static_cast<identity::IdentityAgent::Events&>(*this));
  Discovery::Options discovery;
  discovery.node = NodeBytes();
  discovery.authority = "tulle-control";
  discovery.local_secrets = {kOwnSecret};
  discovery.last_good_file = command_line_.state_directory + "/last-good.pb";
  discovery_ = std::make_unique<Discovery>(
      loop_, *sidecar_, [this] { return identity_->Connect(); }, std::move(discovery), log_,
      metrics_);
  discovery_->on_secret = [this](const std::string& name, const std::string& bytes) {
    if (name == kRootsSecret) identity_->SetRoots(RootsIn(bytes));
  };
  if (!command_line_.workload.inbound.empty() || command_line_.workload.outbound_http != 0 ||
      !command_line_.workload.outbound_tcp.empty()) {
    registration_ = std::make_unique<Registration>(
        loop_, [this] { return identity_->Connect(); }, *std::move(registration),
        [this](const std::string& error) {
          WriteLog(LogLevel::kWarning, LogComponent::kRegistry, error);
        });
  }
  discovery_->LoadLastGood();
  identity_->Start();
  return absl::OkStatus();
}

void Process::OnIdentity(const std::shared_ptr<const identity::Identity>& identity) {
  const bool first = spiffe_id_.empty();
  spiffe_id_ = identity->spiffe_id;
  WriteLog(LogLevel::kInfo, LogComponent::kIdentity,
           absl::StrCat("identity ", spiffe_id_, ", valid for ",
                        identity->not_after - std::chrono::system_clock::to_time_t(loop_.WallNow()),
                        " s"));
  metrics_.Forget(telemetry::kCertificateExpiry);
  metrics_
      .GaugeRow(telemetry::kCertificateExpiry,
                std::array<std::string_view, 2>{kOwnSecret, spiffe_id_})
      .Set(static_cast<double>(identity->not_after));
  const absl::Status put = sidecar_->loader().Put(config::ResourceKind::kSecret, kOwnSecret,
                                                  SecretOf(*identity), config::Origin::kDynamic);
  if (!put.ok()) WriteLog(LogLevel::kError, LogComponent::kIdentity, std::string(put.message()));
  sidecar_->Publish();
  if (!first) return;
  discovery_->Start();
  if (registration_ != nullptr) registration_->Start();
}

void Process::OnIdentityError(const std::string& error) {
  WriteLog(LogLevel::kWarning, LogComponent::kIdentity, error);
}

// Survives restarts, so that a workload that comes back takes its own place in the registry.
std::string Process::InstanceId() {
  const std::string path = command_line_.state_directory + "/instance";
  auto known = identity::ReadStateFile(path);
  if (known.ok() && !known->empty()) return *known;
  const Workload& workload = command_line_.workload;
  std::string name = workload.name.empty() ? workload.service : workload.name;
  if (name.empty()) name = "workload";
  const std::string fresh =
      absl::StrCat(name, "-", absl::Hex(loop_.random().Next() >> 24, absl::kZeroPad10));
  const absl::Status written = identity::WriteStateFile(path, fresh);
  if (!written.ok())
    WriteLog(LogLevel::kError, LogComponent::kMain, std::string(written.message()));
  return fresh;
}

std::string Process::NodeBytes() const {
  envoy::config::core::v3::Node node;
  node.set_id(instance_id_);
  node.set_cluster(command_line_.workload.service);
  node.set_user_agent_name("tulle");
  node.set_user_agent_version(telemetry::kVersion);
  return node.SerializeAsString();
}

// Under a control plane the first version holds the own certificate alone: a workload that asked
// for listeners waits for them, from the disk or by xDS.
bool Process::IsReady() const {
  if (!sidecar_->ready()) return false;
  const Workload& workload = command_line_.workload;
  const bool asked =
      !workload.inbound.empty() || workload.outbound_http != 0 || !workload.outbound_tcp.empty();
  if (command_line_.control.empty() || !asked) return true;
  return !sidecar_->loader().Current()->listeners.empty();
}

void Process::OnInForce() {
  for (const std::string& error : sidecar_->errors())
    WriteLog(LogLevel::kError, LogComponent::kProxy, error);
  if (command_line_.control.empty() && !announced_ && !sidecar_->errors().empty()) {
    exit_code_ = 1;
    return Exit();
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
    std::vector<const telemetry::Registry*> all = {&metrics_, &log_writer_metrics_};
    for (const auto& registry : worker_metrics_) all.push_back(registry.get());
    return telemetry::Collect(all);
  };
  FillStatusPages(*sidecar_, admin_source_);
  admin_source_.log = &log_;
  admin_source_.quit = [this] { BeginExit(); };
  admin_source_.drain_listeners = [this] { sidecar_->Drain(std::chrono::hours(24), [] {}); };
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
  const auto drain = [this] {
    sidecar_->Drain(std::chrono::seconds(command_line_.drain_seconds), [this] { Exit(); });
  };
  if (registration_ != nullptr) return registration_->Deregister(drain);
  drain();
}

void Process::Exit() { loop_.Stop(); }

}  // namespace tulle::sidecar
