#include "control-plane/server/frontend.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "certs/trust_bundle.h"
#include "control-plane/ca/root_rotation.h"
#include "control-plane/server/accept_pace.h"
#include "control-plane/server/admin_file.h"
#include "net/socket/transports.h"
#include "telemetry/version.h"

namespace tulle::server {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr std::chrono::seconds kRetryRenewal{30};

const char* AdviceFor(int listen_error) {
  if (listen_error == EADDRNOTAVAIL) return "use an address of this host";
  if (listen_error == EACCES) return "ports below 1024 require root or CAP_NET_BIND_SERVICE";
  return "use another address, or stop the other program";
}

}  // namespace

// A listening port: who accepts on it, and who gets what was accepted.
class Frontend::Door : public loop::ListenerEvents {
 public:
  using Adopt = std::function<void(std::unique_ptr<Transport>)>;

  Door(loop::Loop& loop, Adopt adopt) : loop_(loop), adopt_(std::move(adopt)) {
    resume_ = loop.NewTimer([this] {
      pace_.OnResumed(loop_.Now());
      listener_->Resume();
    });
  }

  absl::Status Listen(const SocketAddress& at) {
    int error = 0;
    loop::ListenOptions options;
    options.backlog = AcceptPace::kBacklog;
    options.reuse_port = false;  // a second control plane on this port must fail, not share it
    listener_ = loop_.Listen(at, options, *this, &error);
    if (listener_ != nullptr) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("cannot listen on ", at.ToString(), ": ",
                                               strerror(-error), "; ", AdviceFor(-error)));
  }
  // Null: plaintext. From now on, for new connections.
  void SetAcceptor(std::shared_ptr<const tls::SecureAcceptor> acceptor) {
    acceptor_ = std::move(acceptor);
  }
  SocketAddress address() const { return listener_->LocalAddress(); }
  const AcceptPace& pace() const { return pace_; }

 private:
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    const TransportAcceptor& acceptor =
        acceptor_ == nullptr ? PlainAcceptor() : static_cast<const TransportAcceptor&>(*acceptor_);
    adopt_(acceptor.Accept(loop_, std::move(socket)));
    if (pace_.Take(loop_.Now())) return;
    listener_->Pause();
    resume_->Start(AcceptPace::kPause);
  }

  loop::Loop& loop_;
  Adopt adopt_;
  std::shared_ptr<const tls::SecureAcceptor> acceptor_;
  std::unique_ptr<loop::Listener> listener_;
  std::unique_ptr<loop::Timer> resume_;
  AcceptPace pace_;
};

Frontend::Frontend(const FrontendOptions& options, loop::Loop& loop, ControlPlane& plane,
                   const grpc::ServiceRegistry& services, const tls::SecureTransports& transports,
                   certs::KeySource& keys, telemetry::Log& log)
    : options_(options),
      loop_(loop),
      plane_(plane),
      transports_(transports),
      key_(keys.Generate()),
      log_(log),
      grpc_server_(loop, services, {}),
      rest_server_(loop,
                   [this](const api::ApiRequest& request) {
                     api::ApiResponse response = plane_.HandleApi(request);
                     return RestAnswer{response.status, std::move(response.body),
                                       "application/json", std::move(response.more)};
                   }),
      health_server_(loop,
                     [this](const api::ApiRequest& request) { return AnswerHealth(request); }) {}

Frontend::~Frontend() { plane_.SetRootsObserver(nullptr); }

absl::StatusOr<std::unique_ptr<Frontend>> Frontend::Open(const FrontendOptions& options,
                                                         loop::Loop& loop, ControlPlane& plane,
                                                         const grpc::ServiceRegistry& services,
                                                         const tls::SecureTransports& transports,
                                                         certs::KeySource& keys,
                                                         telemetry::Log& log) {
  std::unique_ptr<Frontend> frontend(
      new Frontend(options, loop, plane, services, transports, keys, log));
  const absl::Status status = frontend->OpenDoors(options);
  if (!status.ok()) return status;
  return frontend;
}

absl::Status Frontend::CheckAddresses(const FrontendOptions& options, loop::Loop& loop) {
  const auto refuse = [](std::unique_ptr<Transport>) {};
  Door grpc(loop, refuse), rest(loop, refuse), health(loop, refuse);
  absl::Status status = grpc.Listen(options.grpc);
  if (status.ok()) status = rest.Listen(options.rest);
  if (status.ok()) status = health.Listen(options.health);
  return status;
}

absl::Status Frontend::OpenDoors(const FrontendOptions& options) {
  grpc_door_ = std::make_unique<Door>(loop_, [this](std::unique_ptr<Transport> transport) {
    grpc_server_.Adopt(std::move(transport));
  });
  rest_door_ = std::make_unique<Door>(loop_, [this](std::unique_ptr<Transport> transport) {
    rest_server_.Adopt(std::move(transport));
  });
  health_door_ = std::make_unique<Door>(loop_, [this](std::unique_ptr<Transport> transport) {
    health_server_.Adopt(std::move(transport));
  });
  const auto renew = [this] {
    const absl::Status status = RenewCertificate();
    if (status.ok()) return SaveAdminFile();
    log_.Write(LogLevel::kError, LogComponent::kCa,
               absl::StrCat("cannot renew tulle-control's own certificate: ", status.ToString()));
    renewal_->Start(kRetryRenewal);
  };
  renewal_ = loop_.NewTimer(renew);
  absl::Status status = RenewCertificate();
  if (status.ok()) status = grpc_door_->Listen(options.grpc);
  if (status.ok()) status = rest_door_->Listen(options.rest);
  if (status.ok()) status = health_door_->Listen(options.health);
  if (!status.ok()) return status;
  plane_.SetGrpcPort(grpc_address().port());
  plane_.SetRootsObserver([this, renew] {
    renew();
    grpc_server_.CloseWhere(
        [this](const Transport& transport) { return plane_.admission().IsRevoked(transport); });
  });
  SaveAdminFile();
  return absl::OkStatus();
}

void Frontend::SaveAdminFile() {
  if (options_.data_dir.empty()) return;
  const absl::Status status =
      WriteAdminFile(options_.data_dir, rest_address(), plane_.authority().trust_bundle_pem());
  if (!status.ok()) log_.Write(LogLevel::kError, LogComponent::kCa, status.ToString());
}

absl::Status Frontend::RenewCertificate() {
  const auto issued =
      plane_.authority().IssueOwn(key_, options_.dns_names, options_.ip_addresses, plane_.Now());
  if (!issued.ok()) return issued.status();
  auto chain = certs::ParsePemCertificates(issued->certificate_pem);
  if (!chain.ok()) return chain.status();
  auto trust =
      certs::TrustBundle::FromPem(plane_.authority().trust_domain(), issued->trust_bundle_pem);
  if (!trust.ok()) return trust.status();
  if (const std::string& lists = plane_.authority().revocations_pem(); !lists.empty()) {
    const absl::Status added = trust->AddRevocations(lists);
    if (!added.ok()) return added;
  }
  tls::ServerTlsSpec spec;
  spec.identity = std::make_shared<tls::TlsIdentity>(tls::TlsIdentity{*std::move(chain), key_});
  spec.require_client_certificate = false;
  spec.alpn = {"http/1.1"};
  auto rest = transports_.NewAcceptor(spec);
  if (!rest.ok()) return rest.status();
  spec.trust = std::make_shared<certs::TrustBundle>(*std::move(trust));
  spec.alpn = {"h2"};
  auto grpc = transports_.NewAcceptor(spec);
  if (!grpc.ok()) return grpc.status();
  rest_door_->SetAcceptor(*std::move(rest));
  grpc_door_->SetAcceptor(*std::move(grpc));
  const int64_t half_life = (issued->not_after - plane_.Now()) / 2;
  renewal_->Start(std::chrono::seconds(std::max<int64_t>(half_life, 1)));
  return absl::OkStatus();
}

RestAnswer Frontend::AnswerHealth(const api::ApiRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, "method not allowed: use GET\n", "text/plain"};
  }
  if (request.path == "/healthz") return {200, "ok\n", "text/plain"};
  if (request.path == "/metrics") return {200, MetricsText(), "text/plain; version=0.0.4"};
  return {404, "not found; see /healthz and /metrics\n", "text/plain"};
}

std::string Frontend::MetricsText() const {
  const ProxySource* source = plane_.proxy_source();
  const auto proxies = source == nullptr ? ProxySource::Counts() : source->counts();
  size_t unhealthy = 0;
  for (const auto& [id, workload] : plane_.CurrentMesh().workloads) {
    unhealthy += workload.health != discovery::Health::kHealthy ? 1 : 0;
  }
  std::string text;
  const auto add = [&](const char* name, const char* help, auto value) {
    const char* type = std::string_view(name).ends_with("_total") ? "counter" : "gauge";
    absl::StrAppend(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n", name,
                    " ", value, "\n");
  };
  add("tulle_control_workloads", "Registered instances.", plane_.CurrentMesh().workloads.size());
  add("tulle_control_workloads_unhealthy", "Instances with a missed lease, or not ready.",
      unhealthy);
  add("tulle_control_leases_held", "Leases overdue at once, held rather than expired.",
      plane_.HeldLeases());
  add("tulle_control_policies", "Policies in force.",
      plane_.CurrentMesh().policies.documents().size());
  add("tulle_control_mesh_versions_total", "Versions of the mesh that were made.",
      plane_.mesh_builder().versions());
  add("tulle_control_proxies_connected", "Proxies with an xDS stream.", proxies.connected);
  add("tulle_control_proxies_rejecting", "Connected proxies that reject a resource.",
      proxies.rejecting);
  add("tulle_control_certificates_shared_total",
      "Connections with a certificate that another proxy was using.", proxies.shared_certificates);
  add("tulle_control_grpc_connections", "Connections of sidecars.", grpc_server_.connections());
  add("tulle_control_accept_limit_per_second", "New connections of sidecars that are accepted now.",
      grpc_door_->pace().per_second());
  add("tulle_control_accept_pauses_total", "Times that new connections had to wait for this limit.",
      grpc_door_->pace().pauses() + rest_door_->pace().pauses() + health_door_->pace().pauses());
  add("tulle_control_certificates_issued_total", "Certificates of workloads that were signed.",
      plane_.authority().issued_count());
  add("tulle_control_root_rotating", "1 while the root is being replaced.",
      plane_.authority().rotation().phase() == ca::RotationPhase::kSteady ? 0 : 1);
  add("tulle_control_root_not_after_seconds", "End of the signing root, since the epoch.",
      plane_.authority().signing().certificate().not_after());
  absl::StrAppend(&text, "# HELP tulle_control_build_info The version that runs.\n",
                  "# TYPE tulle_control_build_info gauge\ntulle_control_build_info{version=\"",
                  telemetry::kVersion, "\"} 1\n");
  return text;
}

SocketAddress Frontend::grpc_address() const { return grpc_door_->address(); }
SocketAddress Frontend::rest_address() const { return rest_door_->address(); }
SocketAddress Frontend::health_address() const { return health_door_->address(); }

}  // namespace tulle::server
