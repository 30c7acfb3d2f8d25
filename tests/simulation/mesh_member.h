#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "certs/private_key.h"
#include "net/loop/sim/simulation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/membership/membership.h"
#include "sidecar/proxy/access_log.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tulle::simulation {

// A sidecar with --control as in production, in a simulated process with several loops: the main
// one and one for each worker. Owner: Mesh.
class MeshMember {
 public:
  // `log` must outlive this.
  MeshMember(sim::Simulation& world, int host, uint64_t key_seed,
             const tls::SecureTransports& transports, const sidecar::Membership::Options& options,
             telemetry::Log& log, int workers);
  ~MeshMember();

  // Registered and connected, and its listeners accept connections.
  bool ready() const;
  sidecar::Membership& membership() { return *membership_; }
  sidecar::Sidecar& sidecar() { return *sidecar_; }
  // Prometheus' text.
  std::string Metrics() const;
  int exchanges() const { return exchanges_; }
  int retried() const { return retried_; }

 private:
  class Witness;

  struct DevNull final : proxy::AccessLogSink {
    bool Submit(std::string_view, std::string& lines) override {
      lines.clear();
      return true;
    }
  };

  sim::Simulation& world_;
  const int host_;
  std::unique_ptr<loop::Loop> main_loop_;
  std::vector<std::unique_ptr<loop::Loop>> worker_loops_;
  certs::SeededKeySource keys_;
  telemetry::Registry metrics_;
  std::vector<std::unique_ptr<telemetry::Registry>> worker_metrics_;
  DevNull access_log_;
  std::unique_ptr<sidecar::Sidecar> sidecar_;
  std::unique_ptr<sidecar::Membership> membership_;
  int exchanges_ = 0;
  int retried_ = 0;
};

}  // namespace tulle::simulation
