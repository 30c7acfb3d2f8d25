#include "control-plane/server/control_server.h"

#include <utility>

#include "control-plane/server/grpc_services.h"

namespace tulle::server {

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Open(
    const ControlPlaneOptions& plane_options, const FrontendOptions& doors, loop::Loop& loop,
    const tls::SecureTransports& transports, certs::KeySource& keys, telemetry::Log& log,
    const std::optional<k8s::Cluster>& cluster) {
  auto plane = ControlPlane::Open(plane_options, loop, keys, log);
  if (!plane.ok()) return plane.status();
  std::unique_ptr<ControlServer> server(new ControlServer(loop, *std::move(plane)));
  FrontendOptions opened = doors;
  if (cluster) {
    server->Join(*cluster, plane_options, loop, transports, log);
    opened.leadership = [link = server->kubernetes_.get()] {
      return Leadership{link->is_leader(), link->leader_changes()};
    };
    opened.token_counts = &server->tokens_->counts();
    opened.why_not_ready = [link = server->kubernetes_.get()] {
      return link->is_injection_settled()
                 ? std::string()
                 : "the roots of the mesh are not in the webhook's configuration yet";
    };
  }
  auto frontend =
      Frontend::Open(opened, loop, *server->plane_, server->services_, transports, keys, log);
  if (!frontend.ok()) return frontend.status();
  server->frontend_ = *std::move(frontend);
  return server;
}

ControlServer::~ControlServer() {
  plane_->api().SetAccounts(nullptr);
  plane_->admission().SetReviews(nullptr);
  plane_->registry().SetOtherSource(nullptr);
  plane_->view().SetCluster(nullptr);
  plane_->SetMachines(nullptr);
  plane_->authority().SetPropose(nullptr);
  plane_->SetMayRotate(nullptr);
}

void ControlServer::Release(std::function<void()> done) {
  kubernetes_ == nullptr ? done() : kubernetes_->Release(std::move(done));
}

void ControlServer::Join(const k8s::Cluster& cluster, const ControlPlaneOptions& options,
                         loop::Loop& loop, const tls::SecureTransports& transports,
                         telemetry::Log& log) {
  ControlPlane& plane = *plane_;
  plane.AwaitSource();
  kubernetes_ = std::make_unique<kubernetes::KubernetesLink>(
      loop, transports, cluster, plane.authority().trust_domain(), plane.mesh_builder(), log,
      kubernetes::KubernetesLink::Events{
          [&plane] { plane.OnSourceSynced(); },
          [&plane](const std::string& uid) { plane.authority().rotation().OnEnded(uid); }});
  plane.admission().SetReviews(&kubernetes_->reviews());
  tokens_ = std::make_unique<ReviewedTokens>(
      loop, log, [this](std::string_view token, kubernetes::TokenReviews::Done done) {
        kubernetes_->api_reviews().Review(token, std::move(done));
      });
  plane.api().SetAccounts(tokens_.get());
  plane.view().SetCluster(kubernetes_.get());
  plane.registry().SetOtherSource([this](const discovery::Workload& workload) {
    return kubernetes_->CheckRegistration(workload);
  });
  plane.SetMachines([this](const std::string& name) { return kubernetes_->LocalityOf(name); });
  plane.AddRootsObserver([this] { kubernetes_->SetRoots(plane_->authority().trust_bundle_pem()); });
  kubernetes_->SetRoots(plane.authority().trust_bundle_pem());
  if (const std::string& shared = options.authority.shared_roots; !shared.empty()) {
    kubernetes_->JoinReplicas(options.replica, shared,
                              [&plane](const std::string& roots) { plane.AdoptRoots(roots); });
    plane.SetMayRotate([this] { return kubernetes_->is_leader(); });
    plane.authority().SetPropose(
        [this](const std::string& roots) { kubernetes_->ProposeRoots(roots); });
  }
  kubernetes_->Start();
}

ControlServer::ControlServer(loop::Loop& loop, std::unique_ptr<ControlPlane> plane)
    : plane_(std::move(plane)), source_(loop, *plane_), ads_(loop, source_) {
  source_.Serve(&ads_);
  ads_.Register(services_);
  AddCertificateAuthority(plane_.get(), &services_);
  AddRegistry(plane_.get(), &services_);
  AddTraceCollector(plane_.get(), &services_);
}

}  // namespace tulle::server
