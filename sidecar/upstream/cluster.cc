#include "sidecar/upstream/cluster.h"

#include <algorithm>
#include <utility>

#include "net/tls/second_judgement.h"

namespace tulle::upstream {
namespace {

bool HasLabels(const EndpointSpec& endpoint, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    return std::find(endpoint.transport_labels.begin(), endpoint.transport_labels.end(), label) !=
           endpoint.transport_labels.end();
  });
}

bool Lower(const std::unique_ptr<Endpoint>& endpoint, const SocketAddress& address) {
  return endpoint->spec().address < address;
}

}  // namespace

Cluster::Cluster(loop::Loop& loop, loop::Deadlines& deadlines,
                 std::shared_ptr<const ClusterSpec> spec, std::shared_ptr<ClusterLimits> limits)
    : loop_(loop), deadlines_(deadlines), spec_(std::move(spec)), limits_(std::move(limits)) {
  idle_timer_ = loop_.NewTimer([this] { CloseIdle(); });
  if (spec_->static_endpoints != nullptr) SetEndpoints(spec_->static_endpoints);
}

Cluster::~Cluster() = default;

void Cluster::Update(std::shared_ptr<const ClusterSpec> spec) {
  const bool same_pools = spec->pool_key == spec_->pool_key;
  // Endpoints point into the old spec until Rebuild has moved them to the new one.
  const std::shared_ptr<const ClusterSpec> old = std::exchange(spec_, std::move(spec));
  for (auto& endpoint : retired_) endpoint->Update(endpoint->spec(), SocketFor(endpoint->spec()));
  if (!same_pools) {
    // Closing their connections comes back to endpoints_.
    for (auto& endpoint : std::exchange(endpoints_, {})) Retire(std::move(endpoint));
    idle_timer_->Stop();  // nothing is idle now; the next start is by the new idle_timeout
  }
  if (spec_->static_endpoints != nullptr) endpoint_set_ = spec_->static_endpoints;
  Rebuild();
  JudgePeers();
  ServeStarved();  // the cap may have risen
}

void Cluster::SetEndpoints(std::shared_ptr<const EndpointSet> endpoints) {
  endpoint_set_ = std::move(endpoints);
  Rebuild();
  JudgePeers();
}

void Cluster::JudgePeers() {
  tls::SecondJudgement judgement(loop_);
  for (Endpoint* endpoint : AllEndpoints()) endpoint->JudgePeers(judgement);
}

const TransportSocketSpec& Cluster::SocketFor(const EndpointSpec& endpoint) const {
  for (const TransportSocketSpec& socket : spec_->transport_sockets) {
    if (HasLabels(endpoint, socket.match)) return socket;
  }
  return spec_->transport_sockets.back();
}

void Cluster::Rebuild() {
  if (endpoint_set_ == nullptr) return;
  std::vector<std::unique_ptr<Endpoint>> kept;
  for (const EndpointSpec& wanted : endpoint_set_->endpoints) {
    auto old = std::lower_bound(endpoints_.begin(), endpoints_.end(), wanted.address, Lower);
    const bool known =
        old != endpoints_.end() && *old != nullptr && (*old)->spec().address == wanted.address;
    // Another way of dialling makes another endpoint: its old connections end with their requests.
    if (known && (*old)->spec().transport_labels == wanted.transport_labels) {
      (*old)->Update(wanted, SocketFor(wanted));
      kept.push_back(std::move(*old));
      endpoints_.erase(old);
    } else {
      kept.push_back(std::make_unique<Endpoint>(*this, wanted, SocketFor(wanted),
                                                limits_->breakers.For(wanted.address)));
    }
  }
  std::vector<std::unique_ptr<Endpoint>> gone = std::exchange(endpoints_, std::move(kept));
  std::sort(endpoints_.begin(), endpoints_.end(),
            [](const auto& a, const auto& b) { return a->spec().address < b->spec().address; });
  for (auto& endpoint : gone) {
    if (endpoint != nullptr) Retire(std::move(endpoint));
  }

  uint32_t priority = ~0u;
  size_t healthy = 0;
  for (const auto& endpoint : endpoints_) {
    if (endpoint->spec().health != EndpointHealth::kHealthy) continue;
    ++healthy;
    priority = std::min(priority, endpoint->spec().priority);
  }
  const bool panic =
      !endpoints_.empty() && healthy * 100 < spec_->panic_percent * endpoints_.size();
  std::vector<Endpoint*> candidates;
  for (const auto& endpoint : endpoints_) {
    const EndpointSpec& one = endpoint->spec();
    const bool usable = one.health == EndpointHealth::kHealthy && one.priority == priority;
    if (panic ? one.health != EndpointHealth::kDraining : usable)
      candidates.push_back(endpoint.get());
  }
  balancer_.Reset(spec_->balancing, spec_->least_request_choices, std::move(candidates),
                  loop_.random());
}

void Cluster::Retire(std::unique_ptr<Endpoint> endpoint) {
  Endpoint& one = *endpoint;
  // The spec that its socket points into may go: what still connects has its TLS context already,
  // and no new connection is made unless a request waits, which then uses the current spec.
  one.Update(one.spec(), SocketFor(one.spec()));
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

Cluster::Picked Cluster::Pick(std::span<Endpoint* const> tried, uint32_t attempts,
                              Failure* failure) {
  Picked picked;
  for (uint32_t i = 0; i <= attempts && picked.endpoint == nullptr; ++i) {
    Endpoint* endpoint = balancer_.Pick(loop_.random());
    if (endpoint == nullptr) break;
    if (i < attempts && std::find(tried.begin(), tried.end(), endpoint) != tried.end()) continue;
    TryPass(*endpoint, &picked);
  }
  if (picked.endpoint == nullptr) picked = PickUnlessOpen();
  if (picked.endpoint == nullptr) {
    *failure = {balancer_.candidates().empty() ? FailureKind::kNoHealthyEndpoint
                                               : FailureKind::kBreakerOpen};
    return picked;
  }
  ++picked.endpoint->active;
  return picked;
}

bool Cluster::TryPass(Endpoint& endpoint, Picked* picked) {
  if (spec_->breaker) {
    const auto pass = endpoint.breaker().TryPass(loop_.Now());
    if (!pass) return false;
    picked->pass = *pass;
  }
  picked->endpoint = &endpoint;
  return true;
}

// The endpoint that balancing wanted has its breaker open: any other, from a random place on.
Cluster::Picked Cluster::PickUnlessOpen() {
  Picked picked;
  const std::vector<Endpoint*>& all = balancer_.candidates();
  if (all.empty()) return picked;
  const size_t start = loop_.random().Below(all.size());
  if (IsPanic()) {
    picked.endpoint = all[start];
    return picked;
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (TryPass(*all[(start + i) % all.size()], &picked)) break;
  }
  return picked;
}

// Source: CommonLbConfig.healthy_panic_threshold; what is ejected counts as not healthy.
bool Cluster::IsPanic() const {
  if (spec_->panic_percent == 0) return false;
  const auto good = std::count_if(endpoints_.begin(), endpoints_.end(), [](const auto& one) {
    return one->spec().health == EndpointHealth::kHealthy &&
           one->breaker().state() == BreakerState::kClosed;
  });
  return static_cast<size_t>(good) * 100 < spec_->panic_percent * endpoints_.size();
}

bool Cluster::MayOpenAnother() const {
  const auto open = std::count_if(endpoints_.begin(), endpoints_.end(), [](const auto& one) {
    return one->breaker().state() != BreakerState::kClosed;
  });
  const BreakerSpec spec = spec_->breaker.value_or(BreakerSpec{});
  if (open == 0 && spec.always_one) return true;
  return static_cast<size_t>(open + 1) * 100 <= spec.max_open_percent * endpoints_.size();
}

// Such an endpoint lives as long as it is used: among the retired, which go with their last user.
Cluster::Picked Cluster::PickAt(const SocketAddress& destination, Failure* failure) {
  Picked picked;
  if (!destination.is_set()) {
    *failure = {FailureKind::kNoHealthyEndpoint, "no original destination"};
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
    retired_.push_back(
        std::make_unique<Endpoint>(*this, spec, SocketFor(spec), std::make_shared<Breaker>()));
    picked.endpoint = retired_.back().get();
  }
  ++picked.endpoint->active;
  return picked;
}

void Cluster::Judge(Picked& picked, Outcome outcome) {
  const Breaker::Pass pass = std::exchange(picked.pass, Breaker::kNoPass);
  if (pass == Breaker::kNoPass) return;
  const BreakerSpec spec = spec_->breaker.value_or(BreakerSpec{});  // it may have gone meanwhile
  Breaker& breaker = picked.endpoint->breaker();
  const loop::Instant now = loop_.Now();
  if (breaker.Report(pass, outcome, spec, now, loop_.random()) && MayOpenAnother())
    breaker.Open(pass, spec, now, loop_.random());
}

void Cluster::Leave(Picked& picked) {
  Judge(picked, Outcome::kNothing);
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
  ServeStarved();
  if (!retired_.empty()) DropIfUnused(endpoint);
}

void Cluster::ServeStarved() {
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
