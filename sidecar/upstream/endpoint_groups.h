#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/upstream/balancer.h"
#include "sidecar/upstream/edf.h"
#include "sidecar/upstream/ring.h"

namespace tulle::upstream {

// An endpoint that may be used, and its breaker's leave to use it once.
struct Choice {
  Endpoint* endpoint = nullptr;
  Breaker::Pass pass = Breaker::kNoPass;
};

// What a request wants of an endpoint: the hash of its route's hash policy, and none of those that
// were `tried`, for at most `attempts` choices.
struct Wish {
  std::optional<uint64_t> hash;
  std::span<Endpoint* const> tried;
  uint32_t attempts = 0;
};

// The endpoints of a cluster as balancing sees them: by priority, then, where localities are
// weighed, by locality, then by balancer or ring. Built from what the endpoints' health is at that
// moment; choosing from it costs no memory. An endpoint whose breaker is open is out, until it is
// due: then the next request that comes to its priority, or to a better one's, is its trial.
//
// Owner: Cluster. Thread: the worker's.
class EndpointGroups {
 public:
  // `in_order`: as the set has them, which is what the ring's indexes say.
  void Build(std::shared_ptr<const ClusterSpec> spec, const EndpointSet& set,
             std::vector<Endpoint*> in_order, std::shared_ptr<const Ring> ring, loop::Instant now,
             loop::Random& random);
  Choice Choose(const Wish& wish, loop::Instant now, loop::Random& random);

  // Health may look different from then on though nobody has told: build anew.
  loop::Instant outdated_at() const { return outdated_at_; }
  // There is an endpoint to choose, unless its breaker has opened meanwhile.
  bool has_candidates() const { return !splits_.empty(); }
  // Somebody might be chosen were it not for the breakers.
  bool has_open_breakers() const { return !open_.empty(); }
  bool in_panic() const;
  uint32_t healthy() const { return healthy_; }

 private:
  struct Priority {
    uint32_t number = 0;
    bool panic = false;
    std::vector<Endpoint*> usable;
    std::vector<Endpoint*> remaining;  // not draining
    std::vector<Balancer> balancers;   // one, or one a locality
    Edf localities;
    std::vector<double> weights;  // of localities
  };
  // Out for its breaker alone. Stranded: its priority carries no load, so no request is its own.
  struct Open {
    Endpoint* endpoint;
    bool stranded;
  };
  struct Split {
    uint32_t up_to;  // of 100
    uint32_t priority;
  };

  void Sort(const std::vector<Endpoint*>& in_order, loop::Instant now);
  void SplitByLoad(uint32_t overprovisioning_percent);
  void FillBalancers(Priority& priority, const EndpointSet& set, loop::Instant now,
                     loop::Random& random);
  bool WeighLocalities(Priority& priority, const EndpointSet& set, loop::Instant now,
                       loop::Random& random);
  void CollectOpen();
  Priority& PriorityFor(uint64_t point) {
    const uint64_t share = point % 100;
    size_t i = 0;
    while (i + 1 < splits_.size() && share >= splits_[i].up_to) ++i;
    return priorities_[splits_[i].priority];
  }
  Endpoint* Balance(Priority& priority, loop::Instant now, loop::Random& random);
  Choice ChooseByRing(const Wish& wish, loop::Instant now);
  Choice WalkRing(const Wish& wish, const Priority& priority, loop::Instant now);
  enum class TrialOf : uint8_t { kAny, kStranded };
  Choice ChooseTrial(const Wish& wish, loop::Instant now, TrialOf which);
  Choice Pass(Endpoint& endpoint, bool panic, loop::Instant now) const;

  std::shared_ptr<const ClusterSpec> spec_;
  std::shared_ptr<const Ring> ring_;
  std::vector<Endpoint*> in_order_;
  std::vector<Priority> priorities_;  // those that have an endpoint
  std::vector<Split> splits_;         // of those that carry load
  std::vector<Open> open_;            // where trials may be
  uint32_t healthy_ = 0;
  loop::Instant next_trial_ = loop::Instant::max();
  loop::Instant outdated_at_ = loop::Instant::max();
};

}  // namespace tulle::upstream
