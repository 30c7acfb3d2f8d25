#include "sidecar/upstream/balancer.h"

#include <algorithm>
#include <utility>

namespace tulle::upstream {

void Balancer::Reset(Balancing balancing, uint32_t choices, std::vector<Endpoint*> candidates,
                     loop::Random& random) {
  balancing_ = balancing;
  choices_ = std::max(choices, 1u);
  candidates_ = std::move(candidates);
  next_ = random.Below(candidates_.size());
  deadlines_.clear();
  weighted_ = std::any_of(candidates_.begin(), candidates_.end(), [this](const Endpoint* endpoint) {
    return endpoint->spec().weight != candidates_.front()->spec().weight;
  });
  if (!weighted_) return;
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    deadlines_.push_back({1.0 / candidates_[i]->spec().weight, order_++, i});
  }
  std::make_heap(deadlines_.begin(), deadlines_.end());
}

Endpoint* Balancer::Pick(loop::Random& random) {
  if (candidates_.empty()) return nullptr;
  if (candidates_.size() == 1) return candidates_.front();
  if (weighted_) return PickWeighted();
  switch (balancing_) {
    case Balancing::kRandom:
      return candidates_[random.Below(candidates_.size())];
    case Balancing::kLeastRequest:
      return PickLeastRequest(random);
    case Balancing::kRoundRobin:
    case Balancing::kRingHash:
    case Balancing::kPeakEwma:
      break;
  }
  next_ = next_ + 1 >= candidates_.size() ? 0 : next_ + 1;
  return candidates_[next_];
}

Endpoint* Balancer::PickLeastRequest(loop::Random& random) {
  Endpoint* best = nullptr;
  for (uint32_t i = 0; i < choices_; ++i) {
    Endpoint* candidate = candidates_[random.Below(candidates_.size())];
    if (best == nullptr || candidate->active < best->active) best = candidate;
  }
  return best;
}

Endpoint* Balancer::PickWeighted() {
  std::pop_heap(deadlines_.begin(), deadlines_.end());
  Deadline& chosen = deadlines_.back();
  Endpoint* endpoint = candidates_[chosen.index];
  const double load = balancing_ == Balancing::kLeastRequest ? endpoint->active + 1.0 : 1.0;
  chosen.at += load / endpoint->spec().weight;
  chosen.order = order_++;
  std::push_heap(deadlines_.begin(), deadlines_.end());
  return endpoint;
}

}  // namespace tulle::upstream
