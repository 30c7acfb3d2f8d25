// Updates a cluster, picks endpoints, and keeps its limits.
#include "sidecar/upstream/cluster.h"

#include <algorithm>
#include <utility>

#include "net/tls/peer_revalidation.h"
#include "sidecar/upstream/failures.h"

namespace tulle::upstream {
namespace {

bool Lower(const std::unique_ptr<Endpoint>& endpoint, const SocketAddress& address) {
  return endpoint->spec().address < address;
}

}  // namespace

Cluster::Cluster(loop::Loop& loop, loop::Deadlines& deadlines,
                 std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<ClusterLimits> limits,
                 std::shared_ptr<const Ring> ring)
    : loop_(loop), deadlines_(deadlines), spec_(std::move(spec)), limits_(std::move(limits)) {
  idle_timer_ = loop_.NewTimer([this] { CloseIdle(); });
  if (spec_->static_endpoints != nullptr) SetEndpoints(spec_->static_endpoints, std::move(ring));
}

Cluster::~Cluster() = default;

void Cluster::Update(std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<const Ring> ring) {
  const bool same_pools = spec->pool_key == spec_->pool_key;
  // Endpoints point into the old spec until Rebuild has moved them to the new one.
  const std::shared_ptr<const ClusterSpec> old = std::exchange(spec_, std::move(spec));
  for (auto& endpoint : retired_)
    endpoint->Update(endpoint->spec(), SocketFor(*spec_, endpoint->spec()));
  if (!same_pools) {
    // Closing their connections calls back into endpoints_.
    for (auto& endpoint : std::exchange(endpoints_, {})) Retire(std::move(endpoint));
    idle_timer_->Stop();  // nothing is idle now; the next start uses the new idle_timeout
  }
  if (spec_->static_endpoints != nullptr) endpoint_set_ = spec_->static_endpoints;
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
  tls::PeerRevalidation revalidation(loop_);
  for (Endpoint* endpoint : AllEndpoints()) endpoint->RevalidatePeers(revalidation);
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
      (*old)->Update(wanted, SocketFor(*spec_, wanted));
      kept.push_back(std::move(*old));
      endpoints_.erase(old);
    } else {
      kept.push_back(std::make_unique<Endpoint>(*this, wanted, SocketFor(*spec_, wanted),
                                                limits_->endpoints.For(wanted.address)));
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

  if (spec_->balancing != Balancing::kRingHash) {
    ring_ = nullptr;
  } else if (ring_ == nullptr) {
    ring_ = std::make_shared<Ring>(*endpoint_set_, spec_->ring, spec_->locality_weighted);
  }
  RebuildGroups(loop_.Now());
}

void Cluster::Retire(std::unique_ptr<Endpoint> endpoint) {
  Endpoint& one = *endpoint;
  // The spec that its socket points into may be destroyed: connecting transports already have their
  // TLS context, and new connections are only opened for a waiting request, which uses the current
  // spec.
  one.Update(one.spec(), SocketFor(*spec_, one.spec()));
  retired_.push_back(std::move(endpoint));
  one.ForEachPool([](ConnectionPool& pool) { pool.Drain(); });
  DropIfUnused(one);
}

void Cluster::DropIfUnused(Endpoint& endpoint) {
  if (!endpoint.unused()) return;
  auto found = std::find_if(retired_.begin(), retired_.end(),
                            [&](const auto& one) { return one.get() == &endpoint; });
  if (found == retired_.end()) return;
  loop_.DeferDelete(std::move(*found));
  retired_.erase(found);
}

Cluster::Picked Cluster::Pick(const PickCriteria& criteria, Failure* failure) {
  // A concurrent change by another worker shows as a refused endpoint: try once more.
  constexpr int kLooks = 3;
  const loop::Instant now = loop_.Now();
  Picked picked;
  for (int look = 0; look < kLooks && picked.endpoint == nullptr; ++look) {
    if (look > 0 || now >= groups_.outdated_at() ||
        limits_->changes.load(std::memory_order_acquire) != seen_changes_) {
      RebuildGroups(now);
    }
    static_cast<Choice&>(picked) = groups_.Choose(criteria, now, loop_.random());
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
  seen_changes_ = limits_->changes.load(std::memory_order_acquire);
  groups_.Build(spec_, *endpoint_set_, in_order_, ring_, now, loop_.random());
}

bool Cluster::MayOpenAnother() const {
  const auto open = std::count_if(endpoints_.begin(), endpoints_.end(), [](const auto& one) {
    return one->breaker().state() != BreakerState::kClosed;
  });
  const BreakerSpec spec = spec_->breaker.value_or(BreakerSpec{});
  if (open == 0 && spec.always_one) return true;
  return static_cast<size_t>(open + 1) * 100 <= spec.max_open_percent * endpoints_.size();
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
    retired_.push_back(std::make_unique<Endpoint>(*this, spec, SocketFor(*spec_, spec),
                                                  std::make_shared<SharedEndpoint>()));
    picked.endpoint = retired_.back().get();
  }
  ++picked.endpoint->active;
  return picked;
}

void Cluster::Report(Picked& picked, Outcome outcome) {
  if (std::exchange(picked.reported, true)) return;
  Endpoint& endpoint = *picked.endpoint;
  if (spec_->balancing == Balancing::kPeakEwma) {
    const loop::Instant now = loop_.Now();
    loop::Duration rtt = now - picked.asked_at;
    const bool penalised = outcome != Outcome::kGood && outcome != Outcome::kNothing;
    if (penalised) rtt = std::max(rtt, Latency::kPenalty);
    // A request that was cancelled only shows that it would have taken longer.
    const bool tells = outcome != Outcome::kNothing || std::chrono::duration<double>(rtt).count() >
                                                           endpoint.latency.At(now, spec_->ewma);
    if (tells) endpoint.latency.Observe(rtt, now, spec_->ewma);
  }
  const Breaker::Pass pass = std::exchange(picked.pass, Breaker::kNoPass);
  if (pass != Breaker::kNoPass) ReportToBreaker(endpoint, pass, outcome);
}

void Cluster::ReportToBreaker(Endpoint& endpoint, Breaker::Pass pass, Outcome outcome) {
  const BreakerSpec spec =
      spec_->breaker.value_or(BreakerSpec{});  // it may have been destroyed meanwhile
  Breaker& breaker = endpoint.breaker();
  const loop::Instant now = loop_.Now();
  const bool may_open = breaker.Report(pass, outcome, spec, now, loop_.random());
  if (may_open && MayOpenAnother()) breaker.Open(pass, spec, now, loop_.random());
  if (pass.trial || (may_open && breaker.state() != BreakerState::kClosed))
    limits_->changes.fetch_add(1, std::memory_order_acq_rel);
}

void Cluster::Leave(Picked& picked) {
  Report(picked, Outcome::kNothing);
  Endpoint& endpoint = *std::exchange(picked.endpoint, nullptr);
  --endpoint.active;
  if (!retired_.empty()) DropIfUnused(endpoint);
}

bool Cluster::TryEnterRetry() {
  const Caps& caps = spec_->caps;
  uint32_t cap = caps.retries;
  if (caps.has_retry_budget) {
    const double active = limits_->requests.count() + limits_->pending.count();
    cap = std::max(caps.budget_minimum, static_cast<uint32_t>(active * caps.budget_percent / 100));
  }
  return limits_->retries.TryEnter(cap, limits_->single_worker);
}

uint32_t Cluster::connection_cap() const {
  const uint32_t cap = spec_->caps.connections;
  if (cap == Caps::kUnlimited) return cap;
  return std::max(1u, cap / static_cast<uint32_t>(limits_->workers));
}

bool Cluster::TryEnterConnection() {
  if (connections_ >= connection_cap() && !idle_.empty()) {
    PooledConnection& oldest = idle_.front();
    oldest.codec()->Close();
    oldest.OnConnectionClosed({});
  }
  if (connections_ >= connection_cap()) {
    starved_ = true;
    return false;
  }
  ++connections_;
  if (!limits_->used.load(std::memory_order_relaxed))
    limits_->used.store(true, std::memory_order_relaxed);
  limits_->connections.TryEnter(Caps::kUnlimited, limits_->single_worker);
  return true;
}

void Cluster::LeaveConnection() {
  --connections_;
  limits_->connections.Leave(limits_->single_worker);
}

void Cluster::OnConnectionIdle(PooledConnection& connection) {
  idle_.PushBack(connection);
  if (!idle_timer_->active() && spec_->idle_timeout.count() > 0)
    idle_timer_->Start(spec_->idle_timeout);
}

// Not on the path of a request: waiting requests have been served.
void Cluster::TrimIdle() {
  if (spec_->max_idle_connections == Caps::kUnlimited) return;
  const uint32_t most = spec_->max_idle_connections / static_cast<uint32_t>(limits_->workers);
  uint32_t idle = 0;
  idle_.ForEach([&](PooledConnection&) { ++idle; });
  for (; idle > most; --idle) {
    PooledConnection& oldest = idle_.front();
    oldest.codec()->Close();
    oldest.OnConnectionClosed({});
  }
}

void Cluster::CloseIdle() {
  const loop::Instant now = loop_.Now();
  while (!idle_.empty()) {
    PooledConnection& oldest = idle_.front();
    const loop::Instant end = oldest.idle_since() + spec_->idle_timeout;
    if (end > now) return idle_timer_->Start(end - now);
    oldest.codec()->Close();
    oldest.OnConnectionClosed({});
  }
}

void Cluster::OnConnectionGone(Endpoint& endpoint) {
  ServeWaitingPools();
  if (!retired_.empty()) DropIfUnused(endpoint);
}

void Cluster::ServeWaitingPools() {
  if (!starved_) return;
  starved_ = false;
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
