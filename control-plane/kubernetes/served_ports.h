// Collects what a workload serves, Service by Service, in the order of Add(). Pure. Owner: a caller
// on its stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>

#include "control-plane/discovery/mesh.h"
#include "control-plane/kubernetes/objects.h"

namespace tulle::kubernetes {

class ServedPorts {
 public:
  // Whoever may create Services chooses how many name a pod, and with how many ports each. What is
  // beyond is not served.
  static constexpr size_t kMostPorts = 1000;

  // `pod`: null for an endpoint without one. Both outlive this.
  ServedPorts(const PodFacts* pod, discovery::Workload* workload)
      : pod_(pod), workload_(*workload) {}

  // The ports of `service`, as one of its EndpointSlices says them.
  void Add(const ServiceFacts& service, const SliceFacts& slice);

 private:
  void AddInbound(const discovery::ServedPort& served);

  const PodFacts* const pod_;
  discovery::Workload& workload_;
  std::set<ServiceName> services_;
  // The Service, its port, the port that is dialled.
  std::set<std::tuple<ServiceName, uint32_t, uint32_t>> served_;
  std::map<uint32_t, size_t> inbound_;  // by listen port, the position in Workload::inbound
};

}  // namespace tulle::kubernetes
