// Sorts endpoints by priority, locality and health, and chooses among them.
#include "sidecar/upstream/endpoint_groups.h"

#include <algorithm>
#include <utility>

#include "sidecar/upstream/load_split.h"

namespace tulle::upstream {
namespace {

bool Contains(std::span<Endpoint* const> endpoints, const Endpoint* wanted) {
  return std::find(endpoints.begin(), endpoints.end(), wanted) != endpoints.end();
}

}  // namespace

void EndpointGroups::Build(std::shared_ptr<const ClusterSpec> spec, const EndpointSet& set,
                           std::vector<Endpoint*> in_order, std::shared_ptr<const Ring> ring,
                           loop::Instant now, loop::Random& random) {
  spec_ = std::move(spec);
  in_order_ = std::move(in_order);
  ring_ = std::move(ring);
  outdated_at_ = loop::Instant::max();
  breakers_ignored_ = TooManyOut();
  Sort(in_order_, now);
  SplitByLoad(set.overprovisioning_percent);
  for (Priority& priority : priorities_) FillBalancers(priority, set, now, random);
  CollectOpen();
}

// With BreakerSpec::split. Each breaker opens within the limit, but endpoints may have left since,
// or others have become unhealthy: then breakers are not a reason to have none left.
bool EndpointGroups::TooManyOut() const {
  if (!spec_->breaker || !spec_->breaker->split) return false;
  size_t all = 0, out = 0, open = 0;
  for (const Endpoint* endpoint : in_order_) {
    const Availability availability = endpoint->AvailabilityIn(*spec_);
    if (availability == Availability::kDraining) continue;
    ++all;
    out += availability != Availability::kAvailable;
    open += availability == Availability::kBreakerOpen;
  }
  return open > 0 && out * 100 > spec_->breaker->max_open_percent * all;
}

void EndpointGroups::Sort(const std::vector<Endpoint*>& in_order, loop::Instant now) {
  priorities_.clear();
  healthy_ = 0;
  for (Endpoint* endpoint : in_order) {
    const Availability availability = AvailabilityOf(*endpoint);
    endpoint->NoteHealth(availability == Availability::kAvailable, now);
    if (availability == Availability::kDraining) continue;
    const uint32_t number = endpoint->spec().priority;
    auto place =
        std::lower_bound(priorities_.begin(), priorities_.end(), number,
                         [](const Priority& one, uint32_t wanted) { return one.number < wanted; });
    if (place == priorities_.end() || place->number != number) {
      place = priorities_.insert(place, Priority{});
      place->number = number;
    }
    place->remaining.push_back(endpoint);
    if (availability != Availability::kAvailable) continue;
    place->usable.push_back(endpoint);
    ++healthy_;
    if (endpoint->StartsSlowly(*spec_, now))
      outdated_at_ = std::min(outdated_at_, endpoint->SlowStartEnd(*spec_));
  }
}

void EndpointGroups::SplitByLoad(uint32_t overprovisioning_percent) {
  std::vector<PriorityHealth> health;
  for (const Priority& one : priorities_) {
    health.push_back(
        {static_cast<uint32_t>(one.usable.size()), static_cast<uint32_t>(one.remaining.size())});
  }
  const std::vector<PriorityLoad> loads =
      SplitLoad(health, overprovisioning_percent, spec_->panic_percent);
  splits_.clear();
  uint32_t up_to = 0;
  for (uint32_t i = 0; i < loads.size(); ++i) {
    priorities_[i].panic = loads[i].panic && !spec_->fail_in_panic;
    if (loads[i].percent == 0 || (loads[i].panic && spec_->fail_in_panic)) continue;
    up_to += loads[i].percent;
    splits_.push_back({up_to, i});
  }
}

void EndpointGroups::FillBalancers(Priority& priority, const EndpointSet& set, loop::Instant now,
                                   loop::Random& random) {
  if (spec_->locality_weighted && WeighLocalities(priority, set, now, random)) return;
  priority.balancers.emplace_back().Reset(
      spec_, priority.panic ? priority.remaining : priority.usable, now, random);
}

// A locality has its full weight while it is healthy enough, and proportionally less otherwise.
bool EndpointGroups::WeighLocalities(Priority& priority, const EndpointSet& set, loop::Instant now,
                                     loop::Random& random) {
  std::vector<PriorityHealth> health(set.localities.size());
  std::vector<std::vector<Endpoint*>> members(set.localities.size());
  for (Endpoint* one : priority.remaining) {
    if (one->spec().locality < health.size()) ++health[one->spec().locality].total;
  }
  for (Endpoint* one : priority.panic ? priority.remaining : priority.usable) {
    if (one->spec().locality >= health.size()) continue;
    ++health[one->spec().locality].healthy;
    members[one->spec().locality].push_back(one);
  }
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].empty() || set.localities[i].weight == 0) continue;
    const double able = set.overprovisioning_percent / 100.0 * health[i].healthy / health[i].total;
    priority.weights.push_back(set.localities[i].weight * std::min(1.0, able));
    priority.balancers.emplace_back().Reset(spec_, std::move(members[i]), now, random);
  }
  for (uint32_t i = 0; i < priority.weights.size(); ++i) {
    priority.localities.Add(i, priority.weights[i],
                            static_cast<double>(1 + random.Below(1000)) / 1000);
  }
  return !priority.balancers.empty();
}

// Trials come from requests of the priorities that carry load and of better ones, whose endpoints
// should return; if none carries load, from all requests.
void EndpointGroups::CollectOpen() {
  open_.clear();
  next_trial_ = loop::Instant::max();
  const size_t end = splits_.empty() ? priorities_.size() : splits_.back().priority + size_t{1};
  for (size_t i = 0; i < end; ++i) {
    const bool stranded = std::none_of(splits_.begin(), splits_.end(),
                                       [i](const Split& split) { return split.priority == i; });
    for (Endpoint* one : priorities_[i].remaining) {
      if (AvailabilityOf(*one) != Availability::kBreakerOpen) continue;
      open_.push_back({one, stranded});
      next_trial_ = std::min(next_trial_, one->breaker().due());
    }
  }
}

bool EndpointGroups::in_panic() const {
  return std::any_of(priorities_.begin(), priorities_.end(),
                     [](const Priority& one) { return one.panic; });
}

Choice EndpointGroups::Choose(const PickCriteria& criteria, loop::Instant now,
                              loop::Random& random) {
  if (criteria.hash && ring_ != nullptr) return ChooseByRing(criteria, now);
  if (now >= next_trial_) {
    const Choice trial = ChooseTrial(criteria, now, TrialOf::kAny);
    if (trial.endpoint != nullptr) return trial;
  }
  if (splits_.empty()) return {};
  for (uint32_t i = 0; i <= criteria.attempts; ++i) {
    Priority& priority = PriorityFor(splits_.size() == 1 ? 0 : random.Next());
    Endpoint* endpoint = Balance(priority, now, random);
    if (endpoint == nullptr) return {};
    if (i < criteria.attempts && Contains(criteria.tried, endpoint)) continue;
    const Choice choice = Pass(*endpoint, priority.panic, now);
    if (choice.endpoint != nullptr) return choice;
  }
  return {};
}

Endpoint* EndpointGroups::Balance(Priority& priority, loop::Instant now, loop::Random& random) {
  if (priority.localities.empty()) return priority.balancers.front().Pick(now, random);
  const uint32_t locality =
      priority.localities.Choose([&](uint32_t index) { return priority.weights[index]; });
  return priority.balancers[locality].Pick(now, random);
}

Choice EndpointGroups::Pass(Endpoint& endpoint, bool panic, loop::Instant now) const {
  if (!spec_->breaker) return {&endpoint, Breaker::kNoPass};
  if (const auto pass = endpoint.breaker().TryPass(now)) return {&endpoint, *pass};
  return {panic || breakers_ignored_ ? &endpoint : nullptr, Breaker::kNoPass};
}

Choice EndpointGroups::ChooseTrial(const PickCriteria& criteria, loop::Instant now, TrialOf which) {
  Choice choice;
  next_trial_ = loop::Instant::max();
  for (const Open& one : open_) {
    const bool avoided = criteria.attempts > 0 && Contains(criteria.tried, one.endpoint);
    if (choice.endpoint == nullptr && !avoided && (one.stranded || which == TrialOf::kAny))
      choice = Pass(*one.endpoint, false, now);
    next_trial_ = std::min(next_trial_, one.endpoint->breaker().due());
  }
  return choice;
}

// Walks the ring from the hash on and skips unavailable endpoints: the request goes where it would
// go without them. A trial is made by a request of the endpoint's own or, if its priority has none,
// by any request.
Choice EndpointGroups::ChooseByRing(const PickCriteria& criteria, loop::Instant now) {
  const bool any = splits_.empty();
  if (any && open_.empty()) return {};
  if (!any && now >= next_trial_) {
    const Choice trial = ChooseTrial(criteria, now, TrialOf::kStranded);
    if (trial.endpoint != nullptr) return trial;
  }
  const Choice own =
      WalkRing(criteria, any ? priorities_.front() : PriorityFor(*criteria.hash), now);
  return any && own.endpoint == nullptr ? ChooseTrial(criteria, now, TrialOf::kAny) : own;
}

Choice EndpointGroups::WalkRing(const PickCriteria& criteria, const Priority& priority,
                                loop::Instant now) {
  if (priority.number >= ring_->priorities().size()) return {};
  const Ring::Points& points = ring_->priorities()[priority.number];
  if (points.empty()) return {};
  size_t point = points.At(*criteria.hash);
  const Endpoint* last = nullptr;
  Endpoint* tried = nullptr;
  uint32_t avoided = 0;
  for (size_t i = 0; i < points.hashes.size(); ++i, point = points.After(point)) {
    // During an update the ring may belong to endpoints that arrive in a moment.
    if (points.endpoints[point] >= in_order_.size()) continue;
    Endpoint* endpoint = in_order_[points.endpoints[point]];
    if (endpoint == last) continue;
    last = endpoint;
    const Availability availability = AvailabilityOf(*endpoint);
    if (availability == Availability::kDraining ||
        (availability == Availability::kUnhealthy && !priority.panic))
      continue;
    if (avoided < criteria.attempts && Contains(criteria.tried, endpoint)) {
      if (tried == nullptr) tried = endpoint;
      ++avoided;
      continue;
    }
    const Choice choice = Pass(*endpoint, priority.panic, now);
    if (choice.endpoint != nullptr) return choice;
  }
  // There is no other endpoint.
  return tried == nullptr ? Choice{} : Pass(*tried, priority.panic, now);
}

}  // namespace tulle::upstream
