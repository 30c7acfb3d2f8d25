// The whole control plane but for its process: state, services and ports, put together and taken
// apart in order. Owner: main, or a simulation. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/kubernetes/link.h"
#include "control-plane/server/control_plane.h"
#include "control-plane/server/frontend.h"
#include "control-plane/server/reviewed_tokens.h"
#include "control-plane/server/step_watch.h"
#include "control-plane/server/xds_source.h"
#include "k8s/api/cluster.h"
#include "net/grpc/service.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"
#include "xds/server/ads_server.h"

namespace tulle::server {

class ControlServer {
 public:
  // `cluster`: a Kubernetes cluster that is a source of the mesh. All references outlive this.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Open(
      const ControlPlaneOptions& plane, const FrontendOptions& doors, loop::Loop& loop,
      const tls::SecureTransports& transports, certs::KeySource& keys, telemetry::Log& log,
      const std::optional<k8s::Cluster>& cluster = std::nullopt);
  ~ControlServer();

  // Before the end of the process: what other replicas would otherwise wait for. `done` runs once,
  // perhaps at once, or never if the API server is away.
  void Release(std::function<void()> done);

  ControlPlane& plane() { return *plane_; }
  const Frontend& frontend() const { return *frontend_; }

 private:
  ControlServer(loop::Loop& loop, std::unique_ptr<ControlPlane> plane);
  void WatchSteps(loop::Loop& loop, telemetry::Log& log);
  void OnFreshness();
  // Asks sidecars to connect again, while this replica is cut off and others may not be.
  void SendSidecarsAway();
  std::string WhyNotReady() const;
  void Join(const k8s::Cluster& cluster, const ControlPlaneOptions& options, loop::Loop& loop,
            const tls::SecureTransports& transports, telemetry::Log& log);

  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<kubernetes::KubernetesLink> kubernetes_;  // null: there is no cluster
  std::unique_ptr<ReviewedTokens> tokens_;                  // null: the same
  XdsSource source_;
  xds::AdsServer ads_;
  grpc::ServiceRegistry services_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<StepWatch> steps_;  // null: roots are not shared
  std::unique_ptr<loop::Timer> send_away_;
  loop::Duration send_away_after_{};
};

}  // namespace tulle::server
