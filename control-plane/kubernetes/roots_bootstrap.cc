#include "control-plane/kubernetes/roots_bootstrap.h"

#include <utility>

namespace tulle::kubernetes {

RootsBootstrap::RootsBootstrap(loop::Loop& loop, const tls::SecureTransports& transports,
                               const k8s::Cluster& cluster, std::string candidate,
                               telemetry::Log& log, std::function<void()> on_done)
    : problems_(loop, log, telemetry::LogComponent::kServer),
      dialer_(loop, transports, cluster,
              [this](const std::string& text) { problems_.Report(text); }),
      client_(
          loop, [this] { return dialer_.Dial(); }, {cluster.Authority(), cluster.token},
          [this](const std::string& text) { problems_.Report(text); }),
      secret_(loop, client_, log, std::move(candidate),
              [this, done = std::move(on_done)](const std::string& roots) {
                if (std::exchange(roots_, roots).empty()) done();
                return absl::OkStatus();  // whoever uses them checks them
              }) {}

void RootsBootstrap::Start() {
  client_.Start();
  secret_.Start();
}

}  // namespace tulle::kubernetes
