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

// An available endpoint, and its breaker's permission for one attempt.
struct Choice {
  Endpoint* endpoint = nullptr;
  Breaker::Pass pass = Breaker::kNoPass;
};

// The criteria of a request: the hash of its route's hash policy, and the endpoints already
// `tried`, to avoid for at most `attempts` choices.
struct PickCriteria {
  std::optional<uint64_t> hash;
  std::span<Endpoint* const> tried;
  uint32_t attempts = 0;
};

// The endpoints of a cluster arranged for balancing: by priority, then by locality if localities
// are weighted, then by balancer or ring. Built from the endpoints' current health; choosing does
// not allocate. An endpoint with an open breaker is left out until it is due: then the next request
// of its priority, or of a better one, is its trial.
//
// Owner: Cluster. Thread: the worker's.
class EndpointGroups {
 public:
  // `in_order`: in the set's order, to which the ring's indexes refer.
  void Build(std::shared_ptr<const ClusterSpec> spec, const EndpointSet& set,
             std::vector<Endpoint*> in_order, std::shared_ptr<const Ring> ring, loop::Instant now,
             loop::Random& random);
  Choice Choose(const PickCriteria& criteria, loop::Instant now, loop::Random& random);

  // Health may change at this time without an event (slow start, breakers): rebuild then.
  loop::Instant outdated_at() const { return outdated_at_; }
  // There is an endpoint to choose, unless its breaker has opened since.
  bool has_candidates() const { return !splits_.empty(); }
  // Endpoints are only unavailable because of their breakers.
  bool has_open_breakers() const { return !open_.empty(); }
  bool in_panic() const;
  uint32_t healthy() const { return healthy_; }

 private:
  struct Priority {
    uint32_t number = 0;
    bool panic = false;
    std::vector<Endpoint*> usable;
    std::vector<Endpoint*> remaining;  // not draining
    std::vector<Balancer> balancers;   // one, or one per locality
    Edf localities;
    std::vector<double> weights;  // of localities
  };
  // Unavailable only because of its breaker. Stranded: its priority carries no load, so it gets no
  // requests of its own.
  struct Open {
    Endpoint* endpoint;
    bool stranded;
  };
  struct Split {
    uint32_t up_to;  // of 100
    uint32_t priority;
  };

  bool TooManyOut() const;
  Availability AvailabilityOf(const Endpoint& endpoint) const {
    const Availability availability = endpoint.AvailabilityIn(*spec_);
    const bool ignored = breakers_ignored_ && availability == Availability::kBreakerOpen;
    return ignored ? Availability::kAvailable : availability;
  }
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
  Choice ChooseByRing(const PickCriteria& criteria, loop::Instant now);
  Choice WalkRing(const PickCriteria& criteria, const Priority& priority, loop::Instant now);
  enum class TrialOf : uint8_t { kAny, kStranded };
  Choice ChooseTrial(const PickCriteria& criteria, loop::Instant now, TrialOf which);
  Choice Pass(Endpoint& endpoint, bool panic, loop::Instant now) const;

  std::shared_ptr<const ClusterSpec> spec_;
  std::shared_ptr<const Ring> ring_;
  std::vector<Endpoint*> in_order_;
  std::vector<Priority> priorities_;  // priorities that have endpoints
  std::vector<Split> splits_;         // of those that carry load
  std::vector<Open> open_;            // where trials may be made
  uint32_t healthy_ = 0;
  bool breakers_ignored_ = false;
  loop::Instant next_trial_ = loop::Instant::max();
  loop::Instant outdated_at_ = loop::Instant::max();
};

}  // namespace tulle::upstream
