#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "certs/workload_labels.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/discovery/discovery.h"
#include "sidecar/discovery/on_demand_listeners.h"
#include "sidecar/identity/identity_agent.h"
#include "sidecar/insight/insight_stream.h"
#include "sidecar/membership/registration.h"
#include "sidecar/policy/rule_spec.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// A workload's membership in the mesh of a control plane: its identity, its configuration by ADS,
// and its entry in the registry. In this order: the configuration of an earlier run is in force at
// once; then the identity is obtained; then discovery and registration start. A renewed identity is
// handed to the workers and presented to the control plane.
//
// Owner: MeshConfiguration, or a simulation. Thread: main. Failures are logged and retried.
class Membership final : private identity::IdentityAgent::Events {
 public:
  struct Options {
    std::vector<SocketAddress> control;  // tulle-control's gRPC port
    std::string token_file;
    std::string state_directory;
    Workload workload;
    // Unknown destinations in these ranges are refused (transparent workloads).
    std::vector<policy::Cidr> mesh_ranges;
    std::string roots_file = {};  // in Kubernetes; see identity::AgentOptions
    // What the control plane is told; without `collect`: nothing.
    InsightStream::Parts insight = {};
  };

  // References outlive this. An error names the option and the expected format.
  static absl::StatusOr<std::unique_ptr<Membership>> Make(loop::Loop& loop, Sidecar& sidecar,
                                                          const tls::SecureTransports& transports,
                                                          certs::KeySource& keys, Options options,
                                                          telemetry::Log& log,
                                                          telemetry::Registry& metrics);
  ~Membership() override;

  void Start();
  // Addresses of the control plane, used from the next connection on.
  void SetControl(std::vector<SocketAddress> control) { agent_->SetControl(std::move(control)); }
  // All workers have applied a version.
  void OnVersionInForce();
  // Deregisters, so that traffic goes elsewhere. `done` runs in any case.
  void Leave(std::function<void()> done);

  // Of this workload, as the control plane knows it.
  const std::string& instance_id() const { return instance_id_; }
  // Null: none yet.
  const std::shared_ptr<const identity::Identity>& identity() const { return identity_; }
  // A transport to the control plane that presents the identity; null: no identity yet.
  std::unique_ptr<Transport> ConnectToControl() { return agent_->Connect(); }
  // Why the last registration was refused; empty: it was not.
  const std::string& registration_error() const {
    static const std::string none;
    return registration_ == nullptr ? none : registration_->error();
  }
  bool registered() const { return registration_ != nullptr && registration_->registered(); }
  bool connected() const { return discovery_->connected(); }

 private:
  Membership(loop::Loop& loop, Sidecar& sidecar, telemetry::Log& log, telemetry::Registry& metrics);
  void OnIdentity(const std::shared_ptr<const identity::Identity>& identity) override;
  void OnIdentityError(const std::string& error) override;
  void ShowIdentity();

  loop::Loop& loop_;
  Sidecar& sidecar_;
  telemetry::Log& log_;
  telemetry::Registry& metrics_;
  std::string instance_id_;
  certs::WorkloadLabels labels_;  // of the workload
  std::shared_ptr<const identity::Identity> identity_;
  int64_t identity_since_ = 0;  // when it was issued, or first used by this process
  std::unique_ptr<identity::IdentityAgent> agent_;
  std::unique_ptr<Discovery> discovery_;
  std::unique_ptr<OnDemandListeners> on_demand_;  // null: not transparent
  std::vector<policy::Cidr> mesh_ranges_;
  BreakerReport breakers_;
  std::unique_ptr<Registration> registration_;  // null: nothing to register, or a pod
  std::unique_ptr<InsightStream> insight_;      // null: nothing is told
};

}  // namespace tulle::sidecar
