#pragma once

#include <memory>
#include <utility>

#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/connection_budget.h"
#include "sidecar/upstream/idle_connections.h"

namespace tulle::upstream {

// What the pools of one cluster share on one worker. Owner: Cluster. Thread: the worker's.
struct PoolResources {
  PoolResources(loop::Loop& on, loop::Deadlines& due, std::shared_ptr<const ClusterSpec> version,
                std::shared_ptr<ClusterLimits> shared)
      : loop(on), deadlines(due), limits(std::move(shared)), budget(limits), idle(on) {
    Update(std::move(version));
  }

  // Returns the version before, which the caller keeps until nothing points into it.
  std::shared_ptr<const ClusterSpec> Update(std::shared_ptr<const ClusterSpec> version) {
    std::swap(spec, version);
    const auto workers = static_cast<uint32_t>(limits->workers);
    const uint32_t most = spec->max_idle_connections;
    budget.set_limit(spec->caps.connections);
    idle.Configure(spec->idle_timeout, most == Caps::kUnlimited ? most : most / workers);
    return version;
  }

  // At the limit, the oldest idle connection is closed to make room. False: there is none. Each
  // success needs one budget.Leave.
  bool TryEnterConnection() {
    if (!budget.has_room()) idle.CloseOldest();
    return budget.TryEnter();
  }

  loop::Loop& loop;
  loop::Deadlines& deadlines;
  std::shared_ptr<const ClusterSpec> spec;  // the current version
  const std::shared_ptr<ClusterLimits> limits;
  ConnectionBudget budget;
  IdleConnections idle;
};

}  // namespace tulle::upstream
