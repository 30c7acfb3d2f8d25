#pragma once

#include <string_view>
#include <utility>

#include "sidecar/upstream/cluster.h"
#include "sidecar/upstream/cluster_table.h"

namespace tulle::proxy {

// A request's hold on its cluster: the cluster stays, and the request counts in its limits, until
// Leave. Owner: Call. Thread: the worker's.
class ClusterUse {
 public:
  explicit ClusterUse(upstream::ClusterTable& clusters) : clusters_(clusters) {}
  ~ClusterUse() { Leave(); }
  ClusterUse(const ClusterUse&) = delete;
  ClusterUse& operator=(const ClusterUse&) = delete;

  // False: there is no such cluster.
  bool Acquire(std::string_view name) {
    cluster_ = clusters_.Acquire(name);
    return cluster_ != nullptr;
  }
  // False: as many requests are in flight as may be.
  bool TryEnter() { return entered_ = cluster_->TryEnterRequest(); }
  void Leave() {
    upstream::Cluster* cluster = std::exchange(cluster_, nullptr);
    if (cluster == nullptr) return;
    if (entered_) cluster->LeaveRequest();
    clusters_.Release(*cluster);
  }

  // Null before Acquire and after Leave.
  upstream::Cluster* get() const { return cluster_; }
  upstream::Cluster& operator*() const { return *cluster_; }
  upstream::Cluster* operator->() const { return cluster_; }

  // The endpoint for the next attempt, which takes it over.
  void Pick(upstream::Cluster::Picked picked) { picked_ = picked; }
  upstream::Cluster::Picked TakePicked() { return std::exchange(picked_, {}); }

 private:
  upstream::ClusterTable& clusters_;
  upstream::Cluster* cluster_ = nullptr;
  upstream::Cluster::Picked picked_;
  bool entered_ = false;
};

}  // namespace tulle::proxy
