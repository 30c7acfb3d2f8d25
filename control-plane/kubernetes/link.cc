#include "control-plane/kubernetes/link.h"

#include <utility>

namespace tulle::kubernetes {

KubernetesLink::KubernetesLink(loop::Loop& loop, const tls::SecureTransports& transports,
                               const k8s::Cluster& cluster, const std::string& trust_domain,
                               discovery::MeshSink& mesh, telemetry::Log& log, Events events)
    : problems_(loop, log, telemetry::LogComponent::kServer),
      dialer_(loop, transports, cluster,
              [this](const std::string& text) { problems_.Report(text); }),
      client_(
          loop, [this] { return dialer_.Dial(); }, {cluster.Authority(), cluster.token},
          [this](const std::string& text) { problems_.Report(text); }),
      reviews_(loop, client_),
      roots_(loop, client_, log),
      bundle_(loop, client_, log),
      source_(loop, client_, trust_domain, mesh, log,
              {std::move(events.on_synced),
               [this](const std::string& ns, bool is_injected) {
                 roots_.SetNamespace(ns, is_injected);
               },
               std::move(events.on_pod_gone)}) {}

void KubernetesLink::SetRoots(const std::string& pem) {
  roots_.SetRoots(pem);
  bundle_.SetRoots(pem);
}

void KubernetesLink::Start() {
  client_.Start();
  source_.Start();
  bundle_.Start();
}

}  // namespace tulle::kubernetes
