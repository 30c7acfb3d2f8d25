#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/health_probe.h"

namespace tulle::upstream {

// Checks one endpoint periodically. The result is in SharedEndpoint.checked, for all workers: the
// first response decides at once, later ones by the thresholds. Owner: HealthChecks. Thread: the
// loop's.
class EndpointCheck {
 public:
  EndpointCheck(ProbeTarget target, std::shared_ptr<ClusterLimits> limits);
  const EndpointSpec& endpoint() const { return target_.endpoint; }

 private:
  void Ask();
  void OnAnswer(bool good);
  void Count(bool good);
  loop::Duration Wait();

  const ProbeTarget target_;
  const std::shared_ptr<ClusterLimits> limits_;
  const std::shared_ptr<SharedEndpoint> shared_;
  uint32_t run_ = 0;  // consecutive results that contradict the current state
  bool asking_ = false;
  std::unique_ptr<HealthProbe> probe_;
  std::unique_ptr<loop::Timer> timer_;
};

// The active health checks of a process: run once, not by each worker. Owner: Sidecar. Thread: the
// loop's (main). Source: Cluster.health_checks.
class HealthChecks {
 public:
  explicit HealthChecks(loop::Loop& loop) : loop_(loop), deadlines_(loop) {}

  // Sets what to check from now on; checks of unchanged endpoints continue.
  void Put(std::shared_ptr<const ClusterSpec> cluster, std::shared_ptr<const EndpointSet> endpoints,
           std::shared_ptr<ClusterLimits> limits);
  // Ends the checks of all other clusters.
  void Keep(const std::set<std::string>& clusters);
  size_t clusters() const { return clusters_.size(); }

 private:
  struct Checked {
    std::shared_ptr<const ClusterSpec> cluster;
    std::shared_ptr<const EndpointSet> endpoints;
    std::vector<std::unique_ptr<EndpointCheck>> checks;
  };

  loop::Loop& loop_;
  loop::Deadlines deadlines_;
  std::map<std::string, Checked> clusters_;
};

}  // namespace tulle::upstream
