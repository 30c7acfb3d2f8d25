#include "control-plane/kubernetes/link.h"

#include <utility>

namespace tulle::kubernetes {

KubernetesLink::KubernetesLink(loop::Loop& loop, const tls::SecureTransports& transports,
                               const k8s::Cluster& cluster, const std::string& trust_domain,
                               discovery::MeshSink& mesh, telemetry::Log& log, Events events)
    : events_(std::move(events)),
      problems_(loop, log, telemetry::LogComponent::kServer),
      dialer_(loop, transports, cluster,
              [this](const std::string& text) { problems_.Report(text); }),
      client_(
          loop, [this] { return dialer_.Dial(); }, {cluster.Authority(), cluster.token},
          [this](const std::string& text) { problems_.Report(text); }),
      reviews_(loop, client_),
      roots_(loop, client_, log),
      bundle_(loop, client_, log),
      source_(loop, client_, trust_domain, mesh, log,
              {[this] { OnSynced(); },
               [this](const std::string& ns, bool is_injected) {
                 roots_.SetNamespace(ns, is_injected);
               },
               events_.on_pod_gone,
               [this](const discovery::ServiceName& service) { gateway_.OnService(service); }}),
      gateway_(loop, client_, mesh, log,
               {[this](const discovery::ServiceName& name) { return source_.FindService(name); },
                events_.is_leader, [this] { OnSynced(); }}),
      policies_(loop, client_, mesh, log,
                {kControlNamespace, events_.is_leader, [this] { OnSynced(); }}) {}

void KubernetesLink::SetRoots(const std::string& pem) {
  roots_.SetRoots(pem);
  bundle_.SetRoots(pem);
}

void KubernetesLink::Start() {
  client_.Start();
  source_.Start();
  bundle_.Start();
  gateway_.Start();
  policies_.Start();
}

// No sidecar is to be served without the routes and policies that the cluster has.
void KubernetesLink::OnSynced() {
  if (is_synced_ || !source_.synced() || !gateway_.settled() || !policies_.settled()) return;
  is_synced_ = true;
  gateway_.Publish();
  policies_.Publish();
  events_.on_synced();
}

}  // namespace tulle::kubernetes
