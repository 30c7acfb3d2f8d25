#include "sidecar/upstream/balancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "net/loop/deadlines.h"
#include "net/loop/testing/fake_loop.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::upstream {
namespace {

class BalancerTest : public testing::Test {
 protected:
  void Reset(Balancing balancing, const std::vector<uint32_t>& weights, uint32_t choices = 2) {
    endpoints_.clear();
    std::vector<Endpoint*> candidates;
    for (uint32_t weight : weights) {
      EndpointSpec spec;
      spec.weight = weight;
      endpoints_.push_back(std::make_unique<Endpoint>(cluster_, spec, socket_, nullptr));
      candidates.push_back(endpoints_.back().get());
    }
    balancer_.Reset(balancing, choices, candidates, loop_.random());
  }
  size_t PickOne() {
    Endpoint* picked = balancer_.Pick(loop_.random());
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
  TransportSocketSpec socket_;
  Cluster cluster_{loop_, deadlines_, std::make_shared<ClusterSpec>(),
                   std::make_shared<ClusterLimits>(1)};
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  Balancer balancer_;
};

TEST_F(BalancerTest, NoCandidatesNoEndpoint) {
  Reset(Balancing::kRoundRobin, {});
  EXPECT_EQ(balancer_.Pick(loop_.random()), nullptr);
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
  EXPECT_EQ(Count(1000), (std::vector<int>{100, 200, 700}));
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

}  // namespace
}  // namespace tulle::upstream
