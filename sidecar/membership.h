#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "sidecar/discovery.h"
#include "sidecar/identity/identity_agent.h"
#include "sidecar/on_demand_listeners.h"
#include "sidecar/policy/rule_spec.h"
#include "sidecar/registration.h"
#include "sidecar/sidecar.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::sidecar {

// A workload's place in the mesh of a control plane: its identity, the configuration that comes by
// ADS, and its entry in the registry. In this order: what is kept from an earlier run is in force
// at once; the identity comes next; it opens discovery and registration, and every renewal of it
// goes to the workers and is presented to the control plane.
//
// Owner: Process, or a simulation. Thread: main. What fails is logged and tried again.
class Membership final : private identity::IdentityAgent::Events {
 public:
  struct Options {
    std::vector<SocketAddress> control;  // tulle-control's gRPC port
    std::string token_file;
    std::string state_directory;
    Workload workload;
    // Where a transparent workload's unknown destinations are nowhere.
    std::vector<policy::Cidr> mesh_ranges;
  };

  // References outlive this. An error names the option and what would be right.
  static absl::StatusOr<std::unique_ptr<Membership>> Make(loop::Loop& loop, Sidecar& sidecar,
                                                          const tls::SecureTransports& transports,
                                                          certs::KeySource& keys, Options options,
                                                          telemetry::Log& log,
                                                          telemetry::Registry& metrics);
  ~Membership() override;

  void Start();
  // Where to connect from the next time on.
  void SetControl(std::vector<SocketAddress> control) { agent_->SetControl(std::move(control)); }
  // A version is in force on all workers.
  void OnVersionInForce();
  // Out of the registry, so that traffic goes elsewhere. `done` runs in any case.
  void Leave(std::function<void()> done);

  // Null: none yet.
  const std::shared_ptr<const identity::Identity>& identity() const { return identity_; }
  // A transport to the control plane that presents our identity; null: there is none yet.
  std::unique_ptr<Transport> ConnectToControl() { return agent_->Connect(); }
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
  std::shared_ptr<const identity::Identity> identity_;
  int64_t identity_since_ = 0;  // of this process, or of its issue
  std::unique_ptr<identity::IdentityAgent> agent_;
  std::unique_ptr<Discovery> discovery_;
  std::unique_ptr<OnDemandListeners> on_demand_;  // null: not transparent
  std::vector<policy::Cidr> mesh_ranges_;
  std::unique_ptr<Registration> registration_;  // null: nothing to register
};

}  // namespace tulle::sidecar
