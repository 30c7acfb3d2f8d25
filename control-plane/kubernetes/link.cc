#include "control-plane/kubernetes/link.h"

#include <utility>

namespace tulle::kubernetes {

KubernetesLink::KubernetesLink(loop::Loop& loop, const tls::SecureTransports& transports,
                               const k8s::Cluster& cluster, const std::string& trust_domain,
                               discovery::MeshSink& mesh, telemetry::Log& log, Events events)
    : loop_(loop),
      log_(log),
      events_(std::move(events)),
      problems_(loop, log, telemetry::LogComponent::kServer),
      dialer_(loop, transports, cluster,
              [this](const std::string& text) { problems_.Report(text); }),
      client_(
          loop, [this] { return dialer_.Dial(); }, {cluster.Authority(), cluster.token},
          [this](const std::string& text) { problems_.Report(text); }),
      reviews_(loop, client_, kAudience),
      api_reviews_(loop, client_, kApiAudience),
      roots_(loop, client_, log, [this] { return is_leader(); }),
      injection_(loop, client_, log, kInjection, [this] { return is_leader(); }),
      validation_(loop, client_, log, kValidation, [this] { return is_leader(); }),
      source_(loop, client_, trust_domain, mesh, log,
              {[this] { OnSynced(); },
               [this](const std::string& ns, bool is_injected) {
                 roots_.SetNamespace(ns, is_injected);
               },
               events_.on_pod_gone,
               [this](const discovery::ServiceName& service) {
                 gateway_.OnService(service);
                 policies_.OnService(service);
               }}),
      gateway_(loop, client_, mesh, log,
               {[this](const discovery::ServiceName& name) { return source_.FindService(name); },
                [this] { return is_leader(); }, [this] { OnSynced(); }}),
      policies_(loop, client_, mesh, log,
                {kControlNamespace,
                 [this](const discovery::ServiceName& name) { return source_.FindService(name); },
                 [this] { return is_leader(); }, [this] { OnSynced(); }}) {}

void KubernetesLink::SetRoots(const std::string& pem) {
  roots_.SetRoots(pem);
  for (BundleKeeper* bundle : {&injection_, &validation_}) bundle->SetRoots(pem);
}

void KubernetesLink::JoinReplicas(const std::string& replica, const std::string& roots,
                                  RootsSecret::OnRoots on_roots) {
  freshness_ =
      std::make_unique<RootsFreshness>(loop_, client_, log_, [this] { events_.on_freshness(); });
  secret_ = std::make_unique<RootsSecret>(
      loop_, client_, log_, roots, std::move(on_roots),
      [this](const std::string& version) { freshness_->OnAdopted(version); });
  statements_ = std::make_unique<RotationStatements>(loop_, client_, log_, replica);
  LeaderLease::Options lease{replica};
  lease.on_read = [this](const k8s::Json& read) { statements_->OnLease(read); };
  lease_ = std::make_unique<LeaderLease>(loop_, client_, log_, std::move(lease), [this] {
    roots_.WriteAll();
    for (BundleKeeper* bundle : {&injection_, &validation_}) bundle->Write();
    gateway_.WriteStatus();
    policies_.WriteStatus();
  });
}

void KubernetesLink::Start() {
  client_.Start();
  source_.Start();
  for (BundleKeeper* bundle : {&injection_, &validation_}) bundle->Start();
  gateway_.Start();
  policies_.Start();
  if (secret_ != nullptr) secret_->Start();
  if (freshness_ != nullptr) freshness_->Start();
  if (lease_ != nullptr) lease_->Start();
}

// No sidecar is to be served without the routes and policies that the cluster has.
void KubernetesLink::OnSynced() {
  if (is_synced_ || !source_.synced() || !gateway_.settled() || !policies_.settled()) return;
  is_synced_ = true;
  gateway_.Publish();
  policies_.Publish();
  events_.on_synced();
}

std::map<std::string, std::string> KubernetesLink::RefusedPolicies() const {
  auto refused = policies_.Refused();
  refused.merge(gateway_.Refused());
  return refused;
}

}  // namespace tulle::kubernetes
