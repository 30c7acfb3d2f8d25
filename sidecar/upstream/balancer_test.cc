#include "sidecar/upstream/balancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "net/loop/deadlines.h"
#include "net/loop/testing/fake_loop.h"
#include "sidecar/upstream/endpoint.h"

namespace tulle::upstream {
namespace {

class BalancerTest : public testing::Test {
 protected:
  void Reset(Balancing balancing, const std::vector<uint32_t>& weights, uint32_t choices = 2) {
    spec_.balancing = balancing;
    spec_.least_request_choices = choices;
    endpoints_.clear();
    std::vector<Endpoint*> candidates;
    for (uint32_t weight : weights) {
      EndpointSpec spec;
      spec.weight = weight;
      endpoints_.push_back(
          std::make_unique<Endpoint>(resources_, cluster_, spec, socket_, nullptr));
      candidates.push_back(endpoints_.back().get());
    }
    Start(candidates);
  }
  void Start(std::vector<Endpoint*> candidates) {
    balancer_.Reset(std::make_shared<ClusterSpec>(spec_), std::move(candidates), now_,
                    loop_.random());
  }
  void StartAll() {
    std::vector<Endpoint*> all;
    for (const auto& one : endpoints_) all.push_back(one.get());
    Start(all);
  }
  size_t PickOne() {
    Endpoint* picked = balancer_.Pick(now_, loop_.random());
    for (size_t i = 0; i < endpoints_.size(); ++i) {
      if (endpoints_[i].get() == picked) return i;
    }
    return endpoints_.size();
  }
  // How often each was picked.
  std::vector<int> Count(int picks) {
    std::vector<int> counts(endpoints_.size() + 1);
    for (int i = 0; i < picks; ++i) ++counts[PickOne()];
    EXPECT_EQ(counts.back(), 0) << "picked none";
    counts.pop_back();
    return counts;
  }

  loop::FakeLoop loop_;
  loop::Deadlines deadlines_{loop_};
  loop::Instant now_{std::chrono::hours(1)};
  ClusterSpec spec_;
  TransportSocketSpec socket_;
  PoolResources resources_{loop_, deadlines_, std::make_shared<ClusterSpec>(),
                           std::make_shared<ClusterLimits>(1)};
  struct Pools final : PoolEvents {
    void OnConnectionsFreed() override {}
  } cluster_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  Balancer balancer_;
};

TEST_F(BalancerTest, NoCandidatesNoEndpoint) {
  Reset(Balancing::kRoundRobin, {});
  EXPECT_EQ(balancer_.Pick(now_, loop_.random()), nullptr);
}

TEST_F(BalancerTest, OneCandidateIsAlwaysPicked) {
  for (Balancing balancing :
       {Balancing::kRoundRobin, Balancing::kLeastRequest, Balancing::kRandom}) {
    Reset(balancing, {5});
    EXPECT_EQ(Count(3), std::vector<int>{3});
  }
}

TEST_F(BalancerTest, RoundRobinTakesTurns) {
  Reset(Balancing::kRoundRobin, {1, 1, 1});
  for (int round = 0; round < 4; ++round) EXPECT_EQ(Count(3), (std::vector<int>{1, 1, 1}));
}

TEST_F(BalancerTest, RoundRobinStartsAnywhere) {
  std::map<size_t, int> starts;
  for (int i = 0; i < 100; ++i) {
    Reset(Balancing::kRoundRobin, {1, 1, 1});
    ++starts[PickOne()];
  }
  EXPECT_EQ(starts.size(), 3u);
}

TEST_F(BalancerTest, CountsFollowWeights) {
  Reset(Balancing::kRoundRobin, {1, 2, 7});
  const std::vector<int> counts = Count(1000);
  EXPECT_NEAR(counts[0], 100, 1);
  EXPECT_NEAR(counts[1], 200, 1);
  EXPECT_NEAR(counts[2], 700, 1);
}

TEST_F(BalancerTest, HeavyEndpointsAreNotPickedInOneGo) {
  Reset(Balancing::kRoundRobin, {1, 1, 8});
  int longest = 0, run = 0;
  for (int i = 0; i < 100; ++i) {
    run = PickOne() == 2 ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  EXPECT_LE(longest, 8);
  EXPECT_GE(longest, 2);
}

TEST_F(BalancerTest, LeastRequestAvoidsTheLoaded) {
  Reset(Balancing::kLeastRequest, {1, 1}, 32);
  endpoints_[0]->active = 3;
  EXPECT_EQ(Count(100), (std::vector<int>{0, 100}));
  endpoints_[1]->active = 4;
  EXPECT_EQ(Count(100), (std::vector<int>{100, 0}));
}

TEST_F(BalancerTest, LeastRequestOfTwoChoicesPrefersTheLessLoaded) {
  Reset(Balancing::kLeastRequest, {1, 1});
  endpoints_[0]->active = 1;
  const std::vector<int> counts = Count(1000);
  // Both draws must hit the loaded one: one time in four.
  EXPECT_GT(counts[0], 150);
  EXPECT_LT(counts[0], 350);
}

TEST_F(BalancerTest, WeightedLeastRequestCountsLoadAgainstWeight) {
  Reset(Balancing::kLeastRequest, {1, 2});
  endpoints_[1]->active = 3;  // weighs 2 / (3 + 1)
  const std::vector<int> counts = Count(300);
  EXPECT_NEAR(counts[0], 200, 2);
  EXPECT_NEAR(counts[1], 100, 2);
}

TEST_F(BalancerTest, ActiveRequestBiasSharpensWeightedLeastRequest) {
  spec_.active_request_bias = 2;
  Reset(Balancing::kLeastRequest, {1, 2});
  endpoints_[1]->active = 1;  // weighs 2 / (1 + 1)^2
  EXPECT_NEAR(Count(300)[0], 200, 2);
}

TEST_F(BalancerTest, NewEndpointStartsSlowly) {
  spec_.slow_start.window = std::chrono::seconds(10);
  Reset(Balancing::kRoundRobin, {1, 1});
  endpoints_[0]->NoteHealth(true, now_ - std::chrono::hours(1));
  endpoints_[1]->NoteHealth(true, now_);
  StartAll();
  EXPECT_NEAR(Count(1100)[1], 100, 5);  // at least 10 % of its weight
  now_ += std::chrono::seconds(5);
  EXPECT_NEAR(Count(300)[1], 100, 5);
  now_ += std::chrono::seconds(5);
  StartAll();
  EXPECT_EQ(Count(100), (std::vector<int>{50, 50}));
}

TEST_F(BalancerTest, AggressionShapesTheSlowStart) {
  spec_.slow_start = {std::chrono::seconds(16), 2, 10};
  Reset(Balancing::kRoundRobin, {1});
  endpoints_[0]->NoteHealth(true, now_);
  EXPECT_DOUBLE_EQ(endpoints_[0]->SlowStartShare(spec_, now_ + std::chrono::seconds(4)), 0.5);
  EXPECT_DOUBLE_EQ(endpoints_[0]->SlowStartShare(spec_, now_), 0.25);
  spec_.slow_start.min_weight_percent = 40;
  EXPECT_DOUBLE_EQ(endpoints_[0]->SlowStartShare(spec_, now_), 0.4);
  EXPECT_DOUBLE_EQ(endpoints_[0]->SlowStartShare(spec_, now_ + std::chrono::seconds(16)), 1);
}

TEST_F(BalancerTest, PeakEwmaPrefersTheFaster) {
  Reset(Balancing::kPeakEwma, {1, 1});
  EXPECT_GT(Count(100)[0], 20);  // both are unknown
  endpoints_[0]->latency.Observe(std::chrono::milliseconds(100), now_, spec_.ewma);
  EXPECT_EQ(Count(100), (std::vector<int>{0, 100}));
  endpoints_[1]->active = 5;  // 30 ms * 6 is more than 100 ms
  EXPECT_EQ(Count(100), (std::vector<int>{100, 0}));
}

TEST_F(BalancerTest, PeakEwmaCountsWeight) {
  Reset(Balancing::kPeakEwma, {1, 4});
  endpoints_[1]->active = 2;
  EXPECT_EQ(Count(100), (std::vector<int>{0, 100}));
}

TEST_F(BalancerTest, LatencyJumpsUpAndComesDownWithTime) {
  Latency latency;
  const PeakEwmaSpec ewma;
  EXPECT_DOUBLE_EQ(latency.At(now_, ewma), 0.030);
  latency.Observe(std::chrono::seconds(1), now_, ewma);
  EXPECT_DOUBLE_EQ(latency.At(now_, ewma), 1);
  EXPECT_NEAR(latency.At(now_ + ewma.decay, ewma), 0.368, 0.001);
  latency.Observe(std::chrono::milliseconds(10), now_ + ewma.decay, ewma);
  EXPECT_NEAR(latency.At(now_ + ewma.decay, ewma), 0.368 + 0.01 * 0.632, 0.001);
}

}  // namespace
}  // namespace tulle::upstream
