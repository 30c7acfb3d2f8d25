#pragma once

#include <memory>

#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/connection_pool.h"

namespace tulle::upstream {

// One endpoint of a cluster at run time, on one worker: its pools and what balancing looks at. Kept
// over configuration changes as long as its address stays. Owner: Cluster. Thread: the worker's.
class Endpoint : public Deletable {
 public:
  Endpoint(Cluster& cluster, const EndpointSpec& spec, const TransportSocketSpec& socket)
      : cluster_(cluster), spec_(spec), socket_(&socket) {}

  const EndpointSpec& spec() const { return spec_; }
  const TransportSocketSpec& socket() const { return *socket_; }
  void Update(const EndpointSpec& spec, const TransportSocketSpec& socket) {
    spec_ = spec;
    socket_ = &socket;
  }

  ConnectionPool& Pool(HttpVersion version) {
    std::unique_ptr<ConnectionPool>& pool = pools_[version == HttpVersion::k2];
    if (pool == nullptr) pool = std::make_unique<ConnectionPool>(cluster_, *this, version);
    return *pool;
  }
  template <typename Visit>
  void ForEachPool(Visit visit) {
    for (auto& pool : pools_) {
      if (pool != nullptr) visit(*pool);
    }
  }

  // Users of this endpoint: requests in flight and TCP relays. What least request compares.
  uint32_t active = 0;

  bool unused() const {
    return active == 0 && (!pools_[0] || pools_[0]->empty()) && (!pools_[1] || pools_[1]->empty());
  }

 private:
  Cluster& cluster_;
  EndpointSpec spec_;
  const TransportSocketSpec* socket_;  // in the cluster's spec
  std::unique_ptr<ConnectionPool> pools_[2];
};

}  // namespace tulle::upstream
