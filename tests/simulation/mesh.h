#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "certs/private_key.h"
#include "control-plane/server/control_server.h"
#include "net/loop/sim/simulation.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"
#include "tests/simulation/http_origin.h"
#include "tests/simulation/mesh_member.h"

namespace tulle::simulation {

// The protocols on the simulated network.
struct MeshWires {
  const tls::SecureTransports* transports;  // between sidecars, and to the control plane
  bool http2 = false;                       // callers, sidecars and origin; else HTTP/1.1
  int shop_workers = 1;
};

// The product in one simulated process. Only the loops, the randomness of keys and, unless
// requested, the encryption are replaced:
//
// caller -> sidecar of shop (10.0.0.1, 127.0.0.1:15001) -> mTLS -> sidecar of post (10.0.0.2:15080)
// -> origin (127.0.0.1:8080); control plane at 10.0.0.3:15012, store in memory.
//
// Both sidecars join with a token. Owner: a test.
class Mesh {
 public:
  static constexpr char kOutbound[] = "127.0.0.1:15001";
  static constexpr char kAuthority[] = "post";

  Mesh(uint64_t seed, const sim::FaultPlan& plan, OriginHabits habits, const MeshWires& wires);
  ~Mesh();

  // Runs until both sidecars are in the mesh and know each other; false: not within 10 minutes.
  bool Join();
  // Like `tullectl apply`.
  void Apply(const std::string& yaml);
  // Like `tullectl cert rotate`; finished when rotating() is false again.
  void RotateRoot();
  bool rotating();
  // Kills the process; its store in memory is lost.
  void StopControlPlane() { control_.reset(); }
  // Restarts the sidecar of shop with its state directory.
  void RestartShop();
  // As another workload, for example without a destination in the mesh.
  void RestartShop(sidecar::Workload workload);
  // The same for post: its service is unavailable for a while.
  void RestartPost();
  // Partitions the two sidecars.
  void Partition(loop::Duration length) { world_.Partition(shop_host_, post_host_, length); }
  // Resets all connections between the two sidecars.
  int ResetConnections() { return world_.ResetConnections(shop_host_, post_host_); }

  sim::Simulation& world() { return world_; }
  const MeshWires& wires() const { return wires_; }
  loop::Loop& caller_loop() { return *caller_loop_; }
  loop::Loop& control_loop() { return *control_loop_; }
  HttpOrigin& origin() { return *origin_; }
  MeshMember& shop() { return *shop_; }
  MeshMember& post() { return *post_; }
  server::ControlPlane& control() { return control_->plane(); }
  // Warnings and errors of all three.
  const std::string& log_text() const { return log_text_; }

 private:
  class LogText;

  api::ApiResponse Ask(const std::string& method, const std::string& path, const std::string& body);
  void OpenControlPlane();
  // Creates a state directory with a join token for the account.
  void Enrol(const std::string& account);
  void StartShop(sidecar::Workload workload);
  void StartPost();
  std::unique_ptr<MeshMember> NewMember(int host, const std::string& account, uint64_t key_seed,
                                        sidecar::Workload workload, int workers);

  const uint64_t seed_;
  const MeshWires wires_;
  const std::string directory_;
  std::string log_text_;
  telemetry::Log log_;
  sim::Simulation world_;
  const int shop_host_, post_host_, control_host_;
  std::unique_ptr<loop::Loop> caller_loop_, origin_loop_, control_loop_;
  certs::SeededKeySource control_keys_;
  std::unique_ptr<HttpOrigin> origin_;
  std::unique_ptr<server::ControlServer> control_;
  std::unique_ptr<MeshMember> shop_, post_;
};

}  // namespace tulle::simulation
