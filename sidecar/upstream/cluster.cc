// Updates a cluster, picks endpoints, and keeps its limits.
#include "sidecar/upstream/cluster.h"

#include <algorithm>
#include <utility>

#include "net/tls/peer_revalidation.h"
#include "sidecar/upstream/failures.h"
#include "sidecar/upstream/retry_cap.h"

namespace tulle::upstream {
namespace {

bool Lower(const std::unique_ptr<Endpoint>& endpoint, const SocketAddress& address) {
  return endpoint->spec().address < address;
}

}  // namespace

Cluster::Cluster(loop::Loop& loop, loop::Deadlines& deadlines,
                 std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<ClusterLimits> limits,
                 std::shared_ptr<const Ring> ring, BreakerObserver* breakers)
    : resources_(loop, deadlines, std::move(spec), std::move(limits)), breakers_(breakers) {
  const auto& endpoints = this->spec().static_endpoints;
  if (endpoints != nullptr) SetEndpoints(endpoints, std::move(ring));
}

Cluster::~Cluster() = default;

void Cluster::Update(std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<const Ring> ring) {
  const bool same_pools = spec->pool_key == this->spec().pool_key;
  // Endpoints point into the old spec until Rebuild has moved them to the new one.
  const std::shared_ptr<const ClusterSpec> old = resources_.Update(std::move(spec));
  for (auto& endpoint : retired_)
    endpoint->Update(endpoint->spec(), SocketFor(this->spec(), endpoint->spec()));
  if (!same_pools) {
    // Closing their connections calls back into endpoints_.
    for (auto& endpoint : std::exchange(endpoints_, {})) Retire(std::move(endpoint));
    DropUnused();
  }
  if (this->spec().static_endpoints != nullptr) endpoint_set_ = this->spec().static_endpoints;
  ring_ = std::move(ring);
  Rebuild();
  RevalidatePeers();
  ServeWaitingPools();  // the limit may have been raised
}

void Cluster::SetEndpoints(std::shared_ptr<const EndpointSet> endpoints,
                           std::shared_ptr<const Ring> ring) {
  endpoint_set_ = std::move(endpoints);
  ring_ = std::move(ring);
  Rebuild();
  RevalidatePeers();
}

void Cluster::RevalidatePeers() {
  tls::PeerRevalidation revalidation(resources_.loop);
  for (Endpoint* endpoint : AllEndpoints()) endpoint->RevalidatePeers(revalidation);
}

std::unique_ptr<Endpoint> Cluster::NewEndpoint(const EndpointSpec& spec,
                                               std::shared_ptr<SharedEndpoint> shared) {
  PoolEvents& events = *this;
  return std::make_unique<Endpoint>(resources_, events, spec, SocketFor(this->spec(), spec),
                                    std::move(shared));
}

void Cluster::Rebuild() {
  if (endpoint_set_ == nullptr) return;
  std::vector<std::unique_ptr<Endpoint>> kept;
  for (const EndpointSpec& wanted : endpoint_set_->endpoints) {
    auto old = std::lower_bound(endpoints_.begin(), endpoints_.end(), wanted.address, Lower);
    const bool known =
        old != endpoints_.end() && *old != nullptr && (*old)->spec().address == wanted.address;
    // An endpoint with another transport socket is a new endpoint: the old connections end with
    // their requests.
    if (known && (*old)->spec().transport_labels == wanted.transport_labels) {
      (*old)->Update(wanted, SocketFor(spec(), wanted));
      kept.push_back(std::move(*old));
      endpoints_.erase(old);
    } else {
      kept.push_back(NewEndpoint(wanted, limits().endpoints.For(wanted.address)));
    }
  }
  in_order_.clear();
  for (const auto& endpoint : kept) in_order_.push_back(endpoint.get());
  std::vector<std::unique_ptr<Endpoint>> gone = std::exchange(endpoints_, std::move(kept));
  std::sort(endpoints_.begin(), endpoints_.end(),
            [](const auto& a, const auto& b) { return a->spec().address < b->spec().address; });
  for (auto& endpoint : gone) {
    if (endpoint != nullptr) Retire(std::move(endpoint));
  }
  DropUnused();

  if (spec().balancing != Balancing::kRingHash) {
    ring_ = nullptr;
  } else if (ring_ == nullptr) {
    ring_ = std::make_shared<Ring>(*endpoint_set_, spec().ring, spec().locality_weighted);
  }
  RebuildGroups(resources_.loop.Now());
}

void Cluster::Retire(std::unique_ptr<Endpoint> endpoint) {
  Endpoint& one = *endpoint;
  // The spec that its socket points into may be destroyed: connecting transports already have their
  // TLS context, and new connections are only opened for a waiting request, which uses the current
  // spec.
  one.Update(one.spec(), SocketFor(spec(), one.spec()));
  retired_.push_back(std::move(endpoint));
  one.ForEachPool([](ConnectionPool& pool) { pool.Drain(); });
}

void Cluster::DropUnused() {
  const auto used = [](const std::unique_ptr<Endpoint>& one) { return !one->unused(); };
  const auto end = std::partition(retired_.begin(), retired_.end(), used);
  for (auto one = end; one != retired_.end(); ++one) resources_.loop.DeferDelete(std::move(*one));
  retired_.erase(end, retired_.end());
}

Cluster::Picked Cluster::Pick(const PickCriteria& criteria, Failure* failure) {
  // A concurrent change by another worker shows as a refused endpoint: try once more.
  constexpr int kLooks = 3;
  const loop::Instant now = resources_.loop.Now();
  Picked picked;
  for (int look = 0; look < kLooks && picked.endpoint == nullptr; ++look) {
    if (look > 0 || now >= groups_.outdated_at() ||
        limits().changes.load(std::memory_order_acquire) != seen_changes_) {
      RebuildGroups(now);
    }
    static_cast<Choice&>(picked) = groups_.Choose(criteria, now, resources_.loop.random());
    if (!groups_.has_candidates()) break;
  }
  if (picked.endpoint == nullptr) {
    *failure = {groups_.has_open_breakers() ? failures::kBreakerOpen
                                            : failures::kNoHealthyEndpoint};
    return picked;
  }
  picked.asked_at = now;
  ++picked.endpoint->active;
  return picked;
}

void Cluster::RebuildGroups(loop::Instant now) {
  if (endpoint_set_ == nullptr) return;
  seen_changes_ = limits().changes.load(std::memory_order_acquire);
  groups_.Build(resources_.spec, *endpoint_set_, in_order_, ring_, now, resources_.loop.random());
}

bool Cluster::MayOpenAnother() const {
  const auto open = std::count_if(endpoints_.begin(), endpoints_.end(), [](const auto& one) {
    return one->breaker().state() != BreakerState::kClosed;
  });
  const BreakerSpec rules = spec().breaker.value_or(BreakerSpec{});
  if (open == 0 && rules.always_one) return true;
  return static_cast<size_t>(open + 1) * 100 <= rules.max_open_percent * endpoints_.size();
}

// Such an endpoint lives as long as it is used: it is in the retired list until its last user
// leaves.
Cluster::Picked Cluster::PickAt(const SocketAddress& destination, Failure* failure) {
  Picked picked;
  if (!destination.is_set()) {
    *failure = {failures::kNoHealthyEndpoint, "no original destination"};
    return picked;
  }
  const auto known = std::find_if(retired_.begin(), retired_.end(), [&](const auto& one) {
    return one->spec().address == destination;
  });
  if (known != retired_.end()) {
    picked.endpoint = known->get();
  } else {
    EndpointSpec spec;
    spec.address = destination;
    retired_.push_back(NewEndpoint(spec, std::make_shared<SharedEndpoint>()));
    picked.endpoint = retired_.back().get();
  }
  ++picked.endpoint->active;
  return picked;
}

bool Cluster::Report(Picked& picked, Outcome outcome, FailureKind why) {
  if (std::exchange(picked.reported, true)) return false;
  Endpoint& endpoint = *picked.endpoint;
  if (spec().balancing == Balancing::kPeakEwma) {
    const loop::Instant now = resources_.loop.Now();
    loop::Duration rtt = now - picked.asked_at;
    const bool penalised = outcome != Outcome::kGood && outcome != Outcome::kNothing;
    if (penalised) rtt = std::max(rtt, Latency::kPenalty);
    // A request that was cancelled only shows that it would have taken longer.
    const bool tells = outcome != Outcome::kNothing || std::chrono::duration<double>(rtt).count() >
                                                           endpoint.latency.At(now, spec().ewma);
    if (tells) endpoint.latency.Observe(rtt, now, spec().ewma);
  }
  const Breaker::Pass pass = std::exchange(picked.pass, Breaker::kNoPass);
  return pass != Breaker::kNoPass && ReportToBreaker(endpoint, pass, outcome, why);
}

bool Cluster::ReportToBreaker(Endpoint& endpoint, Breaker::Pass pass, Outcome outcome,
                              FailureKind why) {
  const BreakerSpec rules =
      spec().breaker.value_or(BreakerSpec{});  // it may have been removed meanwhile
  Breaker& breaker = endpoint.breaker();
  const loop::Instant now = resources_.loop.Now();
  loop::Random& random = resources_.loop.random();
  const bool may_open = breaker.Report(pass, outcome, rules, now, random);
  const bool opened = may_open && MayOpenAnother() && breaker.Open(pass, rules, now, random);
  if (opened) endpoint.SetOpenedBy(why);
  const bool reopened = pass.trial && Breaker::IsFailure(outcome, rules);
  if ((opened || reopened) && breakers_ != nullptr) breakers_->OnBreakerOpened(spec(), why);
  if (pass.trial || (may_open && breaker.state() != BreakerState::kClosed))
    limits().NoteBreakerChange();
  return opened;
}

void Cluster::Leave(Picked& picked) {
  Report(picked, Outcome::kNothing);
  Endpoint& endpoint = *std::exchange(picked.endpoint, nullptr);
  --endpoint.active;
  if (!retired_.empty() && endpoint.unused()) DropUnused();
}

bool Cluster::TryEnterRetry() {
  return limits().retries.TryEnter(RetryCap(spec().caps, limits()), limits().single_worker);
}

void Cluster::OnConnectionsFreed() {
  ServeWaitingPools();
  if (!retired_.empty()) DropUnused();
}

void Cluster::ServeWaitingPools() {
  if (!resources_.budget.TakeStarved()) return;
  for (Endpoint* endpoint : AllEndpoints())
    endpoint->ForEachPool([](ConnectionPool& pool) { pool.ServeWaiters(); });
}

std::vector<Endpoint*> Cluster::AllEndpoints() {
  std::vector<Endpoint*> all;
  for (const auto* list : {&endpoints_, &retired_}) {
    for (const auto& endpoint : *list) all.push_back(endpoint.get());
  }
  return all;
}

std::vector<const Endpoint*> Cluster::Endpoints() const {
  std::vector<const Endpoint*> all;
  for (const auto& endpoint : endpoints_) all.push_back(endpoint.get());
  return all;
}

}  // namespace tulle::upstream
