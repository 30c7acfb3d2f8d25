#pragma once

#include <map>
#include <memory>
#include <string>

#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/sidecar.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// Asks for the host names of STRICT_DNS and LOGICAL_DNS clusters, again when the records' time or
// the cluster's refresh rate is over, and makes the answers the cluster's endpoints. What cannot be
// resolved keeps the addresses it had. Owner: Process. Thread: main.
class DnsClusters final {
 public:
  // References outlive this. Looks at the loader before each version that goes to the workers.
  DnsClusters(loop::Loop& loop, Sidecar& sidecar, dns::Resolver& resolver, telemetry::Log& log);
  ~DnsClusters();

 private:
  class Cluster;

  void Follow();
  void Publish() { sidecar_.Publish(); }

  loop::Loop& loop_;
  Sidecar& sidecar_;
  dns::Resolver& resolver_;
  telemetry::Log& log_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;
};

}  // namespace tulle::sidecar
