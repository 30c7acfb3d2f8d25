#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/upstream/endpoint.h"

namespace tulle::upstream {

// Chooses among the endpoints that may be used. Equal weights cost O(1); unequal ones go by
// earliest deadline first, as in Envoy: each choice moves the endpoint's deadline by 1/weight
// (least request: by (active + 1)/weight). Owner: Cluster. Thread: the worker's.
class Balancer {
 public:
  // The candidates stay valid until the next Reset. `random` gives round robin its start, so that
  // workers and proxies do not march in step.
  void Reset(Balancing balancing, uint32_t choices, std::vector<Endpoint*> candidates,
             loop::Random& random);
  // Null: no candidates.
  Endpoint* Pick(loop::Random& random);
  const std::vector<Endpoint*>& candidates() const { return candidates_; }

 private:
  struct Deadline {
    double at;
    uint32_t order;  // ties: the one that waited longer
    uint32_t index;
    bool operator<(const Deadline& other) const {  // for a heap with the earliest on top
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  Endpoint* PickLeastRequest(loop::Random& random);
  Endpoint* PickWeighted();

  Balancing balancing_ = Balancing::kRoundRobin;
  uint32_t choices_ = 2;
  std::vector<Endpoint*> candidates_;
  bool weighted_ = false;
  size_t next_ = 0;
  uint32_t order_ = 0;
  std::vector<Deadline> deadlines_;
};

}  // namespace tulle::upstream
