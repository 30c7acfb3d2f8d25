#include "sidecar/upstream/balancer.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tulle::upstream {

void Balancer::Reset(std::shared_ptr<const ClusterSpec> spec, std::vector<Endpoint*> candidates,
                     loop::Instant now, loop::Random& random) {
  spec_ = std::move(spec);
  candidates_ = std::move(candidates);
  next_ = random.Below(candidates_.size());
  by_weight_.Clear();
  const bool equal = std::all_of(candidates_.begin(), candidates_.end(), [&](const Endpoint* one) {
    return one->spec().weight == candidates_.front()->spec().weight &&
           !one->StartsSlowly(*spec_, now);
  });
  if (equal || spec_->balancing == Balancing::kPeakEwma) return;
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    const double phase = static_cast<double>(1 + random.Below(1000)) / 1000;
    by_weight_.Add(i, WeightOf(*candidates_[i], now), phase);
  }
}

Endpoint* Balancer::Pick(loop::Instant now, loop::Random& random) {
  if (candidates_.empty()) return nullptr;
  if (candidates_.size() == 1) return candidates_.front();
  if (!by_weight_.empty()) return PickWeighted(now);
  switch (spec_->balancing) {
    case Balancing::kRandom:
    case Balancing::kRingHash:  // of a request without hashed values
      return candidates_[random.Below(candidates_.size())];
    case Balancing::kLeastRequest:
      return PickLeastRequest(random);
    case Balancing::kPeakEwma:
      return PickFastest(now, random);
    case Balancing::kRoundRobin:
      break;
  }
  next_ = next_ + 1 >= candidates_.size() ? 0 : next_ + 1;
  return candidates_[next_];
}

Endpoint* Balancer::PickLeastRequest(loop::Random& random) {
  Endpoint* best = nullptr;
  for (uint32_t i = 0; i < std::max(spec_->least_request_choices, 1u); ++i) {
    Endpoint* candidate = candidates_[random.Below(candidates_.size())];
    if (best == nullptr || candidate->active < best->active) best = candidate;
  }
  return best;
}

Endpoint* Balancer::PickFastest(loop::Instant now, loop::Random& random) {
  const size_t first = random.Below(candidates_.size());
  size_t second = random.Below(candidates_.size() - 1);
  if (second >= first) ++second;
  const auto cost = [&](const Endpoint& one) {
    return one.latency.At(now, spec_->ewma) * (one.active + 1.0) / one.spec().weight;
  };
  Endpoint* one = candidates_[first];
  Endpoint* other = candidates_[second];
  return cost(*other) < cost(*one) ? other : one;
}

double Balancer::WeightOf(const Endpoint& endpoint, loop::Instant now) const {
  double weight = endpoint.spec().weight * endpoint.SlowStartShare(*spec_, now);
  if (spec_->balancing != Balancing::kLeastRequest) return weight;
  const double load = endpoint.active + 1.0;
  return weight /
         (spec_->active_request_bias == 1 ? load : std::pow(load, spec_->active_request_bias));
}

Endpoint* Balancer::PickWeighted(loop::Instant now) {
  return candidates_[by_weight_.Choose(
      [&](uint32_t index) { return WeightOf(*candidates_[index], now); })];
}

}  // namespace tulle::upstream
