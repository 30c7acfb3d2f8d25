#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// Consistent hashing: each endpoint of a cluster has points on a ring in proportion to its weight.
// A request goes to the endpoint of the first point at or after its hash. Adding or removing an
// endpoint moves only the requests of its own points. Immutable; built when the cluster or its
// endpoints change, shared by workers. The same points as Envoy's RING_HASH with XX_HASH.
class Ring {
 public:
  // The points of one priority, in the order of their hashes.
  struct Points {
    std::vector<uint64_t> hashes;
    std::vector<uint32_t> endpoints;  // indexes of EndpointSet::endpoints

    bool empty() const { return hashes.empty(); }
    // The first point for `hash`. Must not be empty.
    size_t At(uint64_t hash) const;
    size_t After(size_t point) const { return point + 1 == hashes.size() ? 0 : point + 1; }
  };

  Ring(const EndpointSet& set, const RingSpec& spec, bool locality_weighted);
  const std::vector<Points>& priorities() const { return priorities_; }

 private:
  std::vector<Points> priorities_;
};

}  // namespace tulle::upstream
