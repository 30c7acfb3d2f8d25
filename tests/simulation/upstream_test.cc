#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/loop/deadlines.h"
#include "net/loop/sim/simulation.h"
#include "sidecar/upstream/cluster.h"
#include "sidecar/upstream/failures.h"
#include "sidecar/upstream/health_checks.h"
#include "tests/simulation/http_origin.h"
#include "tests/simulation/mesh_identity.h"

// One cluster on two workers, in all network conditions, while endpoints come and go, fail and are
// checked. Limits hold at every moment, an endpoint has at most one trial, no endpoint is used
// without TLS, every request ends once, and nothing is leaked.
namespace tulle::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using upstream::Cluster;
using upstream::ClusterSpec;
using upstream::EndpointSet;
using upstream::Outcome;

constexpr char kService[] = "spiffe://cluster.local/ns/default/sa/origin";
constexpr int kOrigins = 3;

// Sends one request after another.
class Asker final : public upstream::StreamWaiter, public http::StreamEvents {
 public:
  Asker(loop::Loop& loop, Cluster& cluster, int count)
      : loop_(loop), cluster_(cluster), left_(count), timer_(loop.NewTimer([this] { OnTimer(); })) {
    timer_->Start(loop::Duration(0));
  }
  ~Asker() override {
    if (stream_ != nullptr) stream_->Reset({});
  }

  bool done() const { return left_ == 0 && !asking_; }
  // The endpoint for which this one makes the trial, if any.
  const upstream::Endpoint* trying() const {
    return asking_ && picked_.pass.trial && !picked_.reported ? picked_.endpoint : nullptr;
  }
  int good = 0, refused = 0, failed = 0, trials = 0, plaintext = 0, strangers = 0;

 private:
  void OnTimer() {
    if (asking_) return GiveUp();
    if (left_ == 0) return;
    --left_;
    Begin();
  }
  void Begin() {
    Failure failure;
    if (!cluster_.TryEnterRequest()) return Refuse();
    picked_ = cluster_.Pick({}, 0, &failure);
    if (picked_.endpoint == nullptr) {
      cluster_.LeaveRequest();
      return Refuse();
    }
    asking_ = true;
    trials += picked_.pass.trial;
    timer_->Start(seconds(2));
    const upstream::Acquired acquired =
        picked_.endpoint->Pool(upstream::HttpVersion::k1).Acquire(*this, false);
    if (acquired.failure) return OnNoStream(acquired.failure);
    if (acquired.stream != nullptr)
      OnStream(*acquired.stream, *acquired.transport, acquired.reused);
  }
  void Refuse() {
    ++refused;
    timer_->Start(milliseconds(20 + loop_.random().Below(200)));
  }
  void GiveUp() {
    ++failed;
    const bool endpoints_fault = stream_ != nullptr || connection_under_way();
    cluster_.Report(picked_, endpoints_fault ? Outcome::kGatewayError : Outcome::kNothing);
    Withdraw();
    if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Reset({});
    End();
  }
  void End() {
    asking_ = false;
    cluster_.Leave(picked_);
    cluster_.LeaveRequest();
    timer_->Start(milliseconds(loop_.random().Below(20)));
  }

  http::StreamEvents& events() override { return *this; }
  void OnStream(http::Stream& stream, Transport& transport, bool) override {
    stream_ = &stream;
    plaintext += !transport.is_tls();
    strangers += transport.peer() == nullptr || transport.peer()->spiffe_id != kService;
    arena_.emplace(loop_.slab());
    http::Head head(*arena_);
    head.method = "GET";
    head.authority = "origin";
    head.path = "/";
    stream.SendHeaders(head, true);
    stream.Pull(1000);
  }
  void OnNoStream(Failure why) override {
    ++failed;
    const bool ours = why.kind == upstream::failures::kOverflow;
    cluster_.Report(picked_, ours ? Outcome::kNothing : Outcome::kGatewayError);
    End();
  }
  Arena& arena() override { return *arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override {
    ++(head.status == 200 ? good : failed);
    cluster_.Report(picked_, head.status == 200 ? Outcome::kGood : Outcome::kGatewayError);
    if (end) Finish();
  }
  void OnData(Buffer& data, bool end) override {
    data.Clear();
    if (end) Finish();
  }
  void OnTrailers(http::HeaderMap&) override { Finish(); }
  void OnReset(Failure) override {
    ++failed;
    cluster_.Report(picked_, Outcome::kGatewayError);
    Finish();
  }
  void OnSendRoom() override {}
  void Finish() {
    std::exchange(stream_, nullptr)->Detach();
    End();
  }

  loop::Loop& loop_;
  Cluster& cluster_;
  int left_;
  std::unique_ptr<loop::Timer> timer_;
  std::optional<Arena> arena_;
  Cluster::Picked picked_;
  http::Stream* stream_ = nullptr;
  bool asking_ = false;
};

struct Tally {
  int good = 0, refused = 0, failed = 0, trials = 0, wrong = 0, churns = 0;
  std::string broken;  // the first broken rule
  bool stuck = false;
  uint64_t trace_hash = 0;
};

class Campaign {
 public:
  Campaign(uint64_t seed, const sim::FaultPlan& plan, upstream::Balancing balancing)
      : world_(seed, plan), mesh_(seed), random_(seed) {
    const int host = world_.AddHost({"10.0.0.1"});
    for (auto& loop : workers_) loop = world_.NewLoop(host);
    main_ = world_.NewLoop(host);
    OriginHabits habits{.thinking = milliseconds(5), .one_in_fails = 8, .one_in_aborts = 20};
    habits.acceptor = mesh_.NewAcceptor("origin");
    for (int i = 0; i < kOrigins; ++i) {
      const std::string address = "10.0.1." + std::to_string(i + 1);
      origin_loops_.push_back(world_.NewLoop(world_.AddHost({address})));
      addresses_.push_back(*SocketAddress::Parse(address, 80));
      origins_.push_back(
          std::make_unique<HttpOrigin>(*origin_loops_.back(), addresses_.back(), habits));
    }
    MakeSpec(balancing);
  }

  Tally Play() {
    for (size_t i = 0; i < 2; ++i) in_use_[i] = workers_[i]->slab().bytes_in_use();
    checks_.emplace(*main_);
    for (size_t i = 0; i < 2; ++i) {
      deadlines_[i].emplace(*workers_[i]);
      clusters_[i].emplace(*workers_[i], *deadlines_[i], spec_, limits_);
    }
    Churn();
    for (size_t i = 0; i < 2; ++i) {
      for (int n = 0; n < 6; ++n)
        askers_.push_back(std::make_unique<Asker>(*workers_[i], *clusters_[i], 60));
    }
    const auto end = world_.RunUntil([this] { return Look(); }, std::chrono::minutes(20));
    tally_.stuck = end != sim::Simulation::Outcome::kConditionMet && tally_.broken.empty();
    for (const auto& asker : askers_) {
      tally_.good += asker->good;
      tally_.refused += asker->refused;
      tally_.failed += asker->failed;
      tally_.trials += asker->trials;
      tally_.wrong += asker->plaintext + asker->strangers;
    }
    Clear();
    tally_.trace_hash = world_.trace_hash();
    return tally_;
  }

 private:
  void MakeSpec(upstream::Balancing balancing) {
    ClusterSpec spec;
    spec.name = spec.service = "c";
    spec.pool_key = 1;
    spec.balancing = balancing;
    spec.connect_timeout = seconds(1);
    spec.panic_percent = 0;
    spec.caps.connections = 6;
    spec.caps.pending_requests = 5;
    spec.caps.requests = 9;
    spec.max_idle_connections = 4;
    spec.breaker = upstream::BreakerSpec{.gateway_errors = {2, 100}, .open_for = milliseconds(300)};
    spec.breaker->max_open_percent = 100;
    spec.transport_sockets.emplace_back().tls = mesh_.NewConnector("caller", "origin");
    upstream::HealthCheckSpec check;
    check.path = "/healthz";
    check.interval = check.no_traffic_interval = milliseconds(200);
    check.timeout = milliseconds(500);
    check.unhealthy_threshold = 2;
    spec.health_checks.push_back(check);
    spec_ = std::make_shared<const ClusterSpec>(std::move(spec));
  }

  // Another set of endpoints, for both workers and the checks.
  void Churn() {
    ++tally_.churns;
    next_churn_ = world_.Now() + milliseconds(300);
    auto set = std::make_shared<EndpointSet>();
    for (const SocketAddress& address : addresses_) {
      if (random_.Below(4) == 0) continue;
      upstream::EndpointSpec& endpoint = set->endpoints.emplace_back();
      endpoint.address = address;
      endpoint.spiffe_id = kService;
      endpoint.weight = static_cast<uint32_t>(1 + random_.Below(3));
      endpoint.priority = static_cast<uint32_t>(random_.Below(2));
      if (random_.Below(6) == 0) endpoint.health = upstream::EndpointHealth::kDraining;
    }
    for (size_t i = 0; i < 2; ++i)
      workers_[i]->Post([this, i, set] { clusters_[i]->SetEndpoints(set); });
    main_->Post([this, set] { checks_->Put(spec_, set, limits_); });
  }

  void Hold(bool holds, const char* rule) {
    if (!holds && tally_.broken.empty()) tally_.broken = rule;
  }

  // After each event. True: finished, or a rule is broken.
  bool Look() {
    if (world_.Now() >= next_churn_) Churn();
    Hold(limits_->requests.count() <= spec_->caps.requests, "requests within their cap");
    Hold(limits_->pending.count() <= spec_->caps.pending_requests, "pending within their cap");
    Hold(limits_->connections.count() <= spec_->caps.connections, "connections within their cap");
    std::map<SocketAddress, int> trials;
    bool done = true;
    for (const auto& asker : askers_) {
      done &= asker->done();
      if (asker->trying() != nullptr) ++trials[asker->trying()->spec().address];
    }
    for (const auto& [address, count] : trials) Hold(count <= 1, "one trial at most");
    return done || !tally_.broken.empty();
  }

  void Clear() {
    world_.RunFor(milliseconds(100));  // the last churn
    askers_.clear();
    checks_.reset();
    for (size_t i = 0; i < 2; ++i) {
      clusters_[i].reset();
      workers_[i]->Post([] {});
    }
    world_.RunFor(seconds(5));
    Hold(limits_->requests.count() == 0, "no request stays counted");
    Hold(limits_->pending.count() == 0, "no wait stays counted");
    Hold(limits_->connections.count() == 0, "no connection stays counted");
    for (size_t i = 0; i < 2; ++i)
      Hold(workers_[i]->slab().bytes_in_use() == in_use_[i], "no memory stays in use");
  }

  sim::Simulation world_;
  MeshIdentity mesh_;
  loop::Random random_;
  std::unique_ptr<loop::Loop> workers_[2];
  std::unique_ptr<loop::Loop> main_;
  std::vector<std::unique_ptr<loop::Loop>> origin_loops_;
  std::vector<SocketAddress> addresses_;
  std::vector<std::unique_ptr<HttpOrigin>> origins_;
  std::shared_ptr<const ClusterSpec> spec_;
  std::shared_ptr<upstream::ClusterLimits> limits_ = std::make_shared<upstream::ClusterLimits>(2);
  std::optional<loop::Deadlines> deadlines_[2];
  std::optional<Cluster> clusters_[2];
  std::optional<upstream::HealthChecks> checks_;
  std::vector<std::unique_ptr<Asker>> askers_;
  size_t in_use_[2] = {};
  loop::Instant next_churn_{};
  Tally tally_;
};

sim::FaultPlan Storm() {
  sim::FaultPlan plan;
  plan.short_io = 0.1;
  plan.reset = 0.005;
  plan.refuse = 0.05;
  plan.delay = 0.02;
  plan.stall = 0.01;
  plan.partition_interval = seconds(3);
  return plan;
}

// TULLE_SEEDS: how many.
uint64_t Seeds() {
  const char* many = std::getenv("TULLE_SEEDS");
  return many == nullptr ? 20 : std::strtoull(many, nullptr, 10);
}

constexpr upstream::Balancing kBalancings[] = {
    upstream::Balancing::kRoundRobin, upstream::Balancing::kLeastRequest,
    upstream::Balancing::kPeakEwma, upstream::Balancing::kRandom};

TEST(Upstream, RulesHoldInAllWeathers) {
  Tally all;
  for (uint64_t seed = 0; seed < Seeds(); ++seed) {
    const Tally tally =
        Campaign(seed, seed % 3 == 0 ? sim::FaultPlan{} : Storm(), kBalancings[seed % 4]).Play();
    ASSERT_EQ(tally.broken, "") << "seed " << seed;
    ASSERT_FALSE(tally.stuck) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
    ASSERT_EQ(tally.good + tally.refused + tally.failed, 720) << "seed " << seed;
    all.good += tally.good;
    all.refused += tally.refused;
    all.failed += tally.failed;
    all.trials += tally.trials;
    all.churns += tally.churns;
  }
  // Each of them must occur, otherwise the campaign proves nothing.
  const int seeds = static_cast<int>(Seeds());
  EXPECT_GT(all.good, seeds * 100);
  EXPECT_GT(all.refused, seeds * 50);
  EXPECT_GT(all.failed, seeds * 20);
  EXPECT_GT(all.trials, seeds * 3);
  EXPECT_GT(all.churns, seeds * 5);
  RecordProperty("good", all.good);
  RecordProperty("trials", all.trials);
}

TEST(Upstream, EqualSeedsGiveEqualTraces) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const auto hash = [seed] {
      return Campaign(seed, Storm(), upstream::Balancing::kPeakEwma).Play().trace_hash;
    };
    EXPECT_EQ(hash(), hash()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tulle::simulation
