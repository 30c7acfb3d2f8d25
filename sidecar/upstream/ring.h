#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sidecar/upstream/cluster_spec.h"

namespace tulle::upstream {

// Consistent hashing: points on a ring for each endpoint of a cluster, so many as it weighs; a
// request goes to the endpoint of the first point at or after its hash. An endpoint that comes or
// goes moves only the requests of its own points. Immutable; made when the cluster or its endpoints
// change, shared by workers. The same points as Envoy's RING_HASH with XX_HASH.
class Ring {
 public:
  // The points of one priority, in the order of their hashes.
  struct Circle {
    std::vector<uint64_t> hashes;
    std::vector<uint32_t> endpoints;  // indexes of EndpointSet::endpoints

    bool empty() const { return hashes.empty(); }
    // The first point for `hash`. Not empty.
    size_t At(uint64_t hash) const;
    size_t After(size_t point) const { return point + 1 == hashes.size() ? 0 : point + 1; }
  };

  Ring(const EndpointSet& set, const RingSpec& spec, bool locality_weighted);
  const std::vector<Circle>& priorities() const { return priorities_; }

 private:
  std::vector<Circle> priorities_;
};

}  // namespace tulle::upstream
