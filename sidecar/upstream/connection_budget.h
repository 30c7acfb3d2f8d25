#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// How many connections one worker may have open to a cluster: its share of max_connections. Owner:
// PoolResources. Thread: the worker's.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(std::shared_ptr<ClusterLimits> limits) : limits_(std::move(limits)) {}

  // `connections`: the limit of the whole cluster.
  void set_limit(uint32_t connections) {
    limit_ = connections == Caps::kUnlimited
                 ? connections
                 : std::max(1u, connections / static_cast<uint32_t>(limits_->workers));
  }
  bool has_room() const { return open_ < limit_; }
  // False: the limit is reached. Each success needs one Leave.
  bool TryEnter() {
    if (!has_room()) {
      starved_ = true;
      return false;
    }
    ++open_;
    if (!limits_->used.load(std::memory_order_relaxed))
      limits_->used.store(true, std::memory_order_relaxed);
    limits_->connections.TryEnter(Caps::kUnlimited, limits_->single_worker);
    return true;
  }
  void Leave() {
    --open_;
    limits_->connections.Leave(limits_->single_worker);
  }
  // A connection was refused since the last TakeStarved.
  bool starved() const { return starved_; }
  bool TakeStarved() { return std::exchange(starved_, false); }

 private:
  const std::shared_ptr<ClusterLimits> limits_;
  uint32_t limit_ = Caps::kUnlimited;
  uint32_t open_ = 0;
  bool starved_ = false;
};

}  // namespace tulle::upstream
