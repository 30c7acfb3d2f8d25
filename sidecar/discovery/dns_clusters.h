#pragma once

#include <map>
#include <memory>
#include <string>

#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/dataplane/sidecar.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// Resolves the host names of STRICT_DNS and LOGICAL_DNS clusters into endpoints, and again when the
// records' TTL or the cluster's refresh rate expires. A name that cannot be resolved keeps its
// addresses. Owner: Process. Thread: main.
class DnsClusters final {
 public:
  // References outlive this. Reads the loader before each version is published.
  DnsClusters(loop::Loop& loop, Sidecar& sidecar, dns::Resolver& resolver, telemetry::Log& log);
  ~DnsClusters();

 private:
  class Cluster;

  void Follow();
  void Publish() { sidecar_.Publish("addresses of host names"); }

  loop::Loop& loop_;
  Sidecar& sidecar_;
  dns::Resolver& resolver_;
  telemetry::Log& log_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;
};

}  // namespace tulle::sidecar
