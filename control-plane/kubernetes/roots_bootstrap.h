// Before a replica of the control plane serves anything: reads the roots that all replicas share
// (roots_secret.h), or creates them. Owner: main, or a test. Thread: the loop's. Order: Start(),
// then turns of the loop until roots() is not empty. Errors are logged and tried again.
#pragma once

#include <functional>
#include <string>

#include "control-plane/kubernetes/problem_log.h"
#include "control-plane/kubernetes/roots_secret.h"
#include "k8s/api/client.h"
#include "k8s/api/cluster.h"
#include "k8s/api/dialer.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class RootsBootstrap {
 public:
  // References outlive this.
  RootsBootstrap(loop::Loop& loop, const tls::SecureTransports& transports,
                 const k8s::Cluster& cluster, std::string candidate, telemetry::Log& log,
                 std::function<void()> on_done);

  void Start();
  const std::string& roots() const { return roots_; }

 private:
  ProblemLog problems_;
  k8s::Dialer dialer_;
  k8s::Client client_;
  std::string roots_;
  RootsSecret secret_;
};

}  // namespace tulle::kubernetes
