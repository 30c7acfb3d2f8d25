#include "sidecar/membership/membership.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "sidecar/membership/instance_id.h"
#include "sidecar/proxy/workload.h"
#include "telemetry/families.h"
#include "telemetry/version.h"
#include "xds/proto/type_urls.h"

namespace tulle::sidecar {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr char kOwnSecret[] = "default";
constexpr char kRootsSecret[] = "ROOTCA";
// Of a certificate's lifetime: from here on a failed renewal is logged as an error.
constexpr int64_t kUrgentPercent = 80;

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

// What the ID of an instance begins with.
std::string NameOf(const Workload& workload) {
  if (!workload.name.empty()) return workload.name;
  return workload.service.empty() ? "workload" : workload.service;
}

std::string NodeBytes(const std::string& instance_id, const Workload& workload) {
  envoy::config::core::v3::Node node;
  node.set_id(instance_id);
  node.set_cluster(workload.service);
  node.set_user_agent_name("tulle");
  node.set_user_agent_version(telemetry::kVersion);
  for (const std::string_view feature : xds::kFieldFeatures)
    node.add_client_features(std::string(feature));
  if (!workload.node_name.empty()) {
    (*node.mutable_metadata()->mutable_fields())["tulle.dev/node-name"].set_string_value(
        workload.node_name);
  }
  if (workload.transparent) node.add_client_features(std::string(xds::kOnDemandFeature));
  return node.SerializeAsString();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Membership>> Membership::Make(
    loop::Loop& loop, Sidecar& sidecar, const tls::SecureTransports& transports,
    certs::KeySource& keys, Options options, telemetry::Log& log, telemetry::Registry& metrics) {
  const std::string instance_id =
      options.workload.pod_uid.empty()
          ? InstanceId(options.state_directory, NameOf(options.workload), loop.random(), log)
          : options.workload.pod_uid;
  auto request = MakeRegistration(options.workload, instance_id);
  if (!request.ok()) return request.status();
  std::unique_ptr<Membership> made(new Membership(loop, sidecar, log, metrics));
  Membership& self = *made;
  self.instance_id_ = instance_id;
  self.labels_ = options.workload.labels;
  const auto connect = [&self] { return self.agent_->Connect(); };

  self.agent_ = std::make_unique<identity::IdentityAgent>(
      loop, transports, keys,
      identity::AgentOptions{options.control, options.token_file, options.state_directory,
                             options.roots_file, options.workload.labels},
      static_cast<identity::IdentityAgent::Events&>(self));
  Discovery::Options discovery;
  discovery.node = NodeBytes(instance_id, options.workload);
  discovery.authority = "tulle-control";
  discovery.clusters = Discovery::Clusters::kByName;
  // Root rotation waits until every connected sidecar has the new roots.
  discovery.own_secrets = {kRootsSecret};
  discovery.local_secrets = {kOwnSecret};
  discovery.last_good_file = options.state_directory + "/last-good.pb";
  self.discovery_ =
      std::make_unique<Discovery>(loop, sidecar, connect, std::move(discovery), log, metrics);
  self.discovery_->on_secret = [&self](const std::string& name, const std::string& bytes) {
    if (name == kRootsSecret) self.agent_->SetRoots(RootsIn(bytes));
  };
  self.discovery_->on_certificate_rejected = [&self] { self.agent_->OnRejected(); };
  if (options.workload.transparent) {
    self.on_demand_ = std::make_unique<OnDemandListeners>(loop, sidecar, *self.discovery_);
    self.mesh_ranges_ = std::move(options.mesh_ranges);
  }
  if (options.workload.registers()) {
    self.registration_ = std::make_unique<Registration>(
        loop, self.discovery_->ads(), *std::move(request), [&log](const std::string& error) {
          log.Write(LogLevel::kWarning, LogComponent::kRegistry, error);
        });
    self.registration_->ReportBreakers(self.breakers_);
    self.registration_->ShowIn(metrics.GaugeRow(telemetry::kRegistered));
  }
  if (options.insight.collect) {
    self.insight_ =
        std::make_unique<InsightStream>(loop, self.discovery_->ads(), std::move(options.insight));
  }
  return made;
}

Membership::Membership(loop::Loop& loop, Sidecar& sidecar, telemetry::Log& log,
                       telemetry::Registry& metrics)
    : loop_(loop),
      sidecar_(sidecar),
      log_(log),
      metrics_(metrics),
      breakers_(
          loop, [&sidecar] { return sidecar.breaker_changes(); },
          [&sidecar](const BreakerReport::Visitor& visit) { sidecar.VisitLimits(visit); }) {}

Membership::~Membership() = default;

void Membership::Start() {
  discovery_->LoadLastGood();
  if (on_demand_ != nullptr) on_demand_->Start(mesh_ranges_);
  agent_->Start();
}

// Registration comes first, since the control plane sends listeners to registered workloads only;
// traffic comes once they accept connections.
void Membership::OnVersionInForce() {
  if (registration_ == nullptr) return;
  std::vector<std::string> problems;
  for (const ListenerError& error : sidecar_.errors()) problems.push_back(error.ToText());
  registration_->SetProblems(std::move(problems));
  if (sidecar_.ready() && !sidecar_.in_force()->listeners.empty()) registration_->SetReady();
}

void Membership::Leave(std::function<void()> done) {
  if (registration_ == nullptr) return done();
  registration_->Deregister(std::move(done));
}

void Membership::OnIdentity(const std::shared_ptr<const identity::Identity>& identity) {
  const auto former = std::exchange(identity_, identity);
  const bool renewed = former == nullptr || former->chain_pem != identity->chain_pem;
  if (renewed) {
    identity_since_ = std::max<int64_t>(identity->not_before,
                                        std::chrono::system_clock::to_time_t(loop_.WallNow()));
    ShowIdentity();
  }
  const absl::Status put = sidecar_.loader().Put(config::ResourceKind::kSecret, kOwnSecret,
                                                 SecretOf(*identity), config::Origin::kDynamic);
  if (!put.ok()) log_.Write(LogLevel::kError, LogComponent::kIdentity, std::string(put.message()));
  sidecar_.Publish("the own certificate");
  if (former == nullptr) {
    discovery_->Start();
  } else if (renewed && (registration_ == nullptr || !registration_->leaving())) {
    // The control plane learns of the new certificate when it is presented: root rotation waits for
    // that. A workload that leaves keeps the connection that its deregistration uses.
    discovery_->Reconnect();
  }
}

void Membership::ShowIdentity() {
  log_.Write(
      LogLevel::kInfo, LogComponent::kIdentity,
      absl::StrCat("identity ", identity_->spiffe_id, ", valid for ",
                   identity_->not_after - std::chrono::system_clock::to_time_t(loop_.WallNow()),
                   " s"));
  metrics_.Forget(telemetry::kCertificateExpiry);
  metrics_
      .GaugeRow(telemetry::kCertificateExpiry,
                std::array<std::string_view, 2>{kOwnSecret, identity_->spiffe_id})
      .Set(static_cast<double>(identity_->not_after));
  sidecar_.SetOwnWorkload(proxy::WorkloadOf(identity_->spiffe_id, labels_));
}

// Logged as an error near expiry, with the time that is left: all former renewals have failed.
void Membership::OnIdentityError(const std::string& error) {
  if (identity_ == nullptr) return log_.Write(LogLevel::kWarning, LogComponent::kIdentity, error);
  const int64_t now = std::chrono::system_clock::to_time_t(loop_.WallNow());
  const int64_t life = std::max<int64_t>(identity_->not_after - identity_since_, 1);
  const int64_t left = identity_->not_after - now;
  const int64_t used = std::clamp<int64_t>(100 - 100 * left / life, 0, 100);
  const bool is_urgent = used >= kUrgentPercent;
  const std::string state =
      left > 0 ? absl::StrCat("the certificate expires in ", left, " s, after ", used,
                              " % of its lifetime")
               : absl::StrCat("the certificate expired ", -left, " s ago: see `tullectl check`");
  log_.Write(is_urgent ? LogLevel::kError : LogLevel::kWarning, LogComponent::kIdentity,
             absl::StrCat(error, " (", state, ")"));
}

}  // namespace tulle::sidecar
