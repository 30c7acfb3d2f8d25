#include "control-plane/server/control_server.h"

#include <algorithm>
#include <utility>

#include "control-plane/server/grpc_services.h"

namespace tulle::server {
namespace {

// By then the Service does not lead to a replica that is not ready.
constexpr std::chrono::seconds kSendAwayAfter{10};
constexpr std::chrono::minutes kSendAwayAtMost{5};

}  // namespace

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
      return Leadership{link->is_leader(), link->leader_changes(), link->is_cut_off(),
                        link->times_cut_off()};
    };
    opened.token_counts = &server->tokens_->counts();
    opened.why_not_ready = [server = server.get()] { return server->WhyNotReady(); };
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
  plane_->authority().SetIsCurrent(nullptr);
  plane_->mesh_builder().shared().SetServesSecrets(nullptr);
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
          [&plane](const std::string& uid) { plane.authority().rotation().OnEnded(uid); },
          [this] { OnFreshness(); }});
  plane.admission().SetReviews(&kubernetes_->reviews());
  tokens_ = std::make_unique<ReviewedTokens>(
      loop, log,
      [this](const std::string& source, std::string_view token,
             kubernetes::TokenReviews::Done done) {
        kubernetes_->api_reviews().Review(source, token, std::move(done));
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
    kubernetes_->JoinReplicas(options.replica, shared, [&plane](const std::string& roots) {
      return plane.AdoptRoots(roots);
    });
    plane.SetMayRotate([this] { return kubernetes_->is_leader(); });
    const auto is_current = [this] { return kubernetes_->has_current_roots(); };
    plane.authority().SetIsCurrent(is_current);
    plane.mesh_builder().shared().SetServesSecrets(is_current);
    send_away_ = loop.NewTimer([this] { SendSidecarsAway(); });
    WatchSteps(loop, log);
    plane.authority().SetPropose(
        [this](const std::string& roots) { kubernetes_->ProposeRoots(roots); });
  }
  kubernetes_->Start();
}

void ControlServer::WatchSteps(loop::Loop& loop, telemetry::Log& log) {
  StepWatch::Parts parts{loop, plane_->authority(), log};
  parts.for_each_pod = [this](const std::function<void(const StepWatch::Pod&)>& visit) {
    if (!visit) return kubernetes_->ForEachMeshedPod(nullptr);
    return kubernetes_->ForEachMeshedPod([&visit](const kubernetes::PodFacts& pod) {
      visit({pod.uid, pod.created_at, !pod.address.empty()});
    });
  };
  parts.resend_roots = [this] { source_.ResendRoots(); };
  parts.is_leader = [this] { return kubernetes_->is_leader(); };
  parts.publish = [this](const std::string& statement) {
    kubernetes_->statements().Publish(statement);
  };
  parts.withdraw = [this] { kubernetes_->statements().Clear(); };
  parts.statements = [this] { return kubernetes_->statements().others(); };
  steps_ = std::make_unique<StepWatch>(std::move(parts));
}

void ControlServer::OnFreshness() {
  if (kubernetes_->has_current_roots()) source_.PublishRoots();
  if (!kubernetes_->is_cut_off()) return send_away_->Stop();
  send_away_after_ = kSendAwayAfter;
  send_away_->Start(send_away_after_);
}

void ControlServer::SendSidecarsAway() {
  if (frontend_ != nullptr && kubernetes_->replicas() > 1) frontend_->EndSidecarConnections();
  send_away_after_ = std::min<loop::Duration>(send_away_after_ * 2, kSendAwayAtMost);
  send_away_->Start(send_away_after_);
}

// Without other replicas, one that is cut off still serves what it knows.
std::string ControlServer::WhyNotReady() const {
  if (!kubernetes_->has_valid_roots())
    return "the roots in Secret tulle-system/tulle-ca cannot be used: the log says why, and what "
           "to "
           "do";
  if (!kubernetes_->is_injection_settled())
    return "the roots of the mesh are not in the webhook's configuration yet";
  if (kubernetes_->is_cut_off() && kubernetes_->replicas() > 1)
    return "the API server has not confirmed the roots for 20 s, so other replicas should serve: "
           "see "
           "the log";
  return "";
}

ControlServer::ControlServer(loop::Loop& loop, std::unique_ptr<ControlPlane> plane)
    : plane_(std::move(plane)), source_(loop, *plane_), ads_(loop, source_) {
  source_.Serve(&ads_);
  ads_.Register(services_);
  AddCertificateAuthority(loop, plane_.get(), &services_);
  AddRegistry(plane_.get(), &services_);
  AddTraceCollector(plane_.get(), &services_);
  AddInsight(plane_.get(), &loop, &services_);
}

}  // namespace tulle::server
