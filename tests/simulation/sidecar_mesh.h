#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/worker.h"
#include "tests/simulation/control_plane.h"
#include "tests/simulation/http_origin.h"
#include "tests/simulation/mesh_identity.h"

namespace tulle::simulation {

// What the operator of the mesh says, and may change while it runs.
struct MeshPolicy {
  uint32_t retries_after_first = 3;
  std::string marker;  // response header x-marker that the outbound sidecar adds, if not empty
};

// caller -> outbound sidecar (10.0.0.1, 127.0.0.1:15001) -> mTLS -> inbound sidecar
// (10.0.0.2:15006) -> origin (127.0.0.1:8080). The outbound sidecar's routes come from a control
// plane (10.0.0.3:15012) by ADS. Owner: a test.
class SidecarMesh final : public proxy::Observer {
 public:
  static constexpr char kOutbound[] = "127.0.0.1:15001";
  static constexpr char kOutboundHost[] = "10.0.0.1";
  static constexpr char kInboundHost[] = "10.0.0.2";

  // `between`: what the two sidecars speak.
  SidecarMesh(uint64_t seed, const sim::FaultPlan& plan, const OriginHabits& habits,
              upstream::HttpChoice between = upstream::HttpChoice::kHttp1);
  ~SidecarMesh() override;

  // Gives the control plane another policy to push.
  void Push(const MeshPolicy& policy);
  // Routes have come.
  bool ready() const { return routes_ != nullptr; }
  // New keys and certificates for both.
  void RotateCertificates();
  // Every connection between the two hosts, at once.
  int ResetConnections();

  sim::Simulation& world() { return world_; }
  loop::Loop& caller_loop() { return *caller_loop_; }
  HttpOrigin& origin() { return *origin_; }
  // Requests that both sidecars have logged.
  int exchanges() const { return exchanges_; }
  int retried() const { return retried_; }

 private:
  struct Sidecar {
    std::unique_ptr<loop::Loop> loop;
    std::unique_ptr<sidecar::LimitsTable> limits;
    std::unique_ptr<sidecar::Worker> worker;
  };

  void OnExchangeEnd(const proxy::Exchange& exchange) override;
  void OnRelayEnd(const proxy::TcpRelay&) override {}
  void IssueCertificates();
  void Start(Sidecar& sidecar, int host);
  void Apply(Sidecar& sidecar, std::shared_ptr<const config::Snapshot> snapshot);
  std::shared_ptr<const config::Snapshot> Outbound();
  std::shared_ptr<const config::Snapshot> Inbound();

  sim::Simulation world_;
  const upstream::HttpChoice between_;
  MeshIdentity identity_;
  std::shared_ptr<const route::RouteTable> routes_;  // of the outbound sidecar
  std::shared_ptr<const tls::SecureAcceptor> acceptor_;
  std::shared_ptr<const tls::SecureConnector> connector_;
  std::shared_ptr<const config::ListenerSpec> outbound_listener_;
  int near_, far_;
  std::unique_ptr<loop::Loop> caller_loop_, origin_loop_;
  std::unique_ptr<HttpOrigin> origin_;
  std::unique_ptr<loop::Loop> control_loop_;
  std::unique_ptr<ControlPlane> control_plane_;
  Sidecar outbound_, inbound_;
  std::unique_ptr<RouteSubscription> subscription_;
  int exchanges_ = 0;
  int retried_ = 0;
};

}  // namespace tulle::simulation
