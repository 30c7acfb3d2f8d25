#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/upstream/edf.h"
#include "sidecar/upstream/endpoint.h"

namespace tulle::upstream {

// Chooses among the available endpoints of one locality. Equal weights cost O(1). Unequal weights,
// and those of endpoints in slow start, use earliest deadline first, as in Envoy: each choice moves
// the endpoint's deadline by 1/weight (least request: by (active + 1)^bias/weight). Peak EWMA: of
// two, the one with the lower latency * (active + 1) / weight. Owner: EndpointGroups. Thread: the
// worker's.
class Balancer {
 public:
  // The candidates must stay valid until the next Reset. `random` gives each a random start, so
  // that workers and proxies do not move in lockstep.
  void Reset(std::shared_ptr<const ClusterSpec> spec, std::vector<Endpoint*> candidates,
             loop::Instant now, loop::Random& random);
  // Null: no candidates.
  Endpoint* Pick(loop::Instant now, loop::Random& random);
  const std::vector<Endpoint*>& candidates() const { return candidates_; }

 private:
  Endpoint* PickLeastRequest(loop::Random& random);
  Endpoint* PickFastest(loop::Instant now, loop::Random& random);
  Endpoint* PickWeighted(loop::Instant now);
  double WeightOf(const Endpoint& endpoint, loop::Instant now) const;

  std::shared_ptr<const ClusterSpec> spec_;
  std::vector<Endpoint*> candidates_;
  size_t next_ = 0;
  Edf by_weight_;  // empty: weights are equal
};

}  // namespace tulle::upstream
