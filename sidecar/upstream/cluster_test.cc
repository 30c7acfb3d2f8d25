#include "sidecar/upstream/cluster.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "sidecar/upstream/cluster_for_test.h"
#include "sidecar/upstream/failures.h"

namespace tulle::upstream {
namespace {

TEST_F(ClusterTest, PickAvoidsTriedEndpoints) {
  Build({a_.address(), b_.address()});
  Endpoint* tried[] = {&At(a_.address())};
  for (int i = 0; i < 10; ++i) {
    Failure failure;
    EXPECT_EQ(cluster_->Pick(tried, 3, &failure).endpoint, &At(b_.address()));
  }
  EXPECT_EQ(At(b_.address()).active, 10u);
  cluster_->SetEndpoints(Set({}));
  Failure failure;
  EXPECT_EQ(cluster_->Pick({}, 3, &failure).endpoint, nullptr);
  EXPECT_EQ(failure.kind, failures::kNoHealthyEndpoint);
}

TEST_F(ClusterTest, AnOpenBreakerSendsRequestsElsewhere) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 100};
  spec_.panic_percent = 0;
  Build({a_.address(), b_.address()});
  const auto but_for = [](const SocketAddress& bad) {
    return [bad](const Endpoint& one) {
      return one.spec().address == bad ? Outcome::kGatewayError : Outcome::kGood;
    };
  };
  int failed = 0;
  for (int i = 0; i < 100; ++i) failed += Try(but_for(a_.address())) == Outcome::kGatewayError;
  EXPECT_EQ(failed, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Try(but_for(b_.address())), Outcome::kGatewayError);
  EXPECT_EQ(Try(but_for({})), std::nullopt);
  EXPECT_EQ(failure_.kind, failures::kBreakerOpen);
}

// Also when a trial fails, but not when it has no result, and not without need.
TEST_F(ClusterTest, EachOpeningOfABreakerIsToldWithItsCause) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 100};
  spec_.breaker->always_one = false;
  spec_.panic_percent = 0;
  Build({a_.address()});
  const auto attempt = [this](Outcome outcome, FailureKind why) {
    Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
    ASSERT_NE(picked.endpoint, nullptr);
    cluster_->Report(picked, outcome, why);
    cluster_->Leave(picked);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(openings_.causes.empty());
    attempt(Outcome::kUnreachable, FailureKind::kConnectRefused);
  }
  EXPECT_EQ(openings_.causes, (std::vector<std::string>{"connect_failed"}));
  Pass(spec_.breaker->open_for + spec_.breaker->jitter);
  attempt(Outcome::kNothing, FailureKind::kNone);
  attempt(Outcome::kGatewayError, FailureKind::kNone);
  EXPECT_EQ(openings_.causes, (std::vector<std::string>{"connect_failed", ""}));
  Pass(2 * (spec_.breaker->open_for + spec_.breaker->jitter));
  attempt(Outcome::kGood, FailureKind::kNone);
  EXPECT_EQ(openings_.causes.size(), 2u);
}

TEST_F(ClusterTest, OpenBreakersAreLimited) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 50};
  spec_.panic_percent = 0;
  Build({a_.address(), b_.address()});
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(Try([](const Endpoint&) { return Outcome::kGatewayError; })) << i;
  EXPECT_NE(At(a_.address()).breaker().state(), At(b_.address()).breaker().state());
}

class DefaultBreakerTest : public ClusterTest {
 protected:
  DefaultBreakerTest() {
    BreakerSpec breaker;
    breaker.errors.percent = 0;
    breaker.split = true;
    breaker.max_open_percent = 50;
    spec_.breaker = breaker;
    spec_.panic_percent = 0;
  }
  static Outcome Unreachable(const Endpoint&) { return Outcome::kUnreachable; }
};

TEST_F(DefaultBreakerTest, TheLastEndpointStays) {
  Build({a_.address()});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Try(Unreachable)) << i;
  EXPECT_EQ(At(a_.address()).breaker().state(), BreakerState::kClosed);
}

TEST_F(DefaultBreakerTest, HalfOfTheEndpointsStay) {
  Build({a_.address(), b_.address()});
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Try(Unreachable)) << i;
  EXPECT_NE(At(a_.address()).breaker().state(), At(b_.address()).breaker().state());
}

TEST_F(DefaultBreakerTest, AnOpenEndpointIsUsedWhenTheOthersHaveLeft) {
  Build({a_.address(), b_.address()});
  const auto but_for_a = [this](const Endpoint& one) {
    return one.spec().address == a_.address() ? Outcome::kUnreachable : Outcome::kGood;
  };
  for (int i = 0; i < 50; ++i) Try(but_for_a);
  ASSERT_EQ(At(a_.address()).breaker().state(), BreakerState::kOpen);
  cluster_->SetEndpoints(Set({a_.address()}));
  EXPECT_TRUE(Try(but_for_a));
  EXPECT_EQ(At(a_.address()).breaker().state(), BreakerState::kOpen) << "no trial yet";
}

TEST_F(DefaultBreakerTest, AnOpenEndpointIsUsedWhenTheOthersAreUnhealthy) {
  Build({a_.address(), b_.address()});
  const auto but_for_a = [this](const Endpoint& one) {
    return one.spec().address == a_.address() ? Outcome::kUnreachable : Outcome::kGood;
  };
  for (int i = 0; i < 50; ++i) Try(but_for_a);
  auto set = std::make_shared<EndpointSet>(*Set({a_.address(), b_.address()}));
  set->endpoints[1].health = EndpointHealth::kUnhealthy;
  cluster_->SetEndpoints(set);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Try(but_for_a));
}

TEST_F(ClusterTest, InPanicBreakersAreIgnored) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 100};
  spec_.panic_percent = 60;
  Build({a_.address(), b_.address()});
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(Try([](const Endpoint&) { return Outcome::kGatewayError; })) << i;
}

class GroupsTest : public ClusterTest {
 protected:
  // Endpoint i at port 1000 + i.
  std::shared_ptr<EndpointSet> Groups(const std::vector<EndpointSpec>& endpoints) {
    auto set = std::make_shared<EndpointSet>();
    for (size_t i = 0; i < endpoints.size(); ++i) {
      set->endpoints.push_back(endpoints[i]);
      set->endpoints.back().address = SocketAddress::Loopback4(static_cast<uint16_t>(1000 + i));
    }
    return set;
  }
  void Take(std::shared_ptr<const EndpointSet> set) {
    Build({});
    cluster_->SetEndpoints(std::move(set));
  }
  // How often each was picked; results are as `ending` returns them.
  std::vector<int> Count(int picks, const std::function<Outcome(size_t)>& ending = {}) {
    std::vector<int> counts(cluster_->endpoint_set()->endpoints.size());
    for (int i = 0; i < picks; ++i) {
      Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
      if (picked.endpoint == nullptr) continue;
      const size_t index = picked.endpoint->spec().address.port() - size_t{1000};
      ++counts[index];
      cluster_->Report(picked, ending ? ending(index) : Outcome::kGood);
      cluster_->Leave(picked);
    }
    return counts;
  }
  static EndpointSpec Of(uint32_t priority, EndpointHealth health = EndpointHealth::kHealthy) {
    EndpointSpec spec;
    spec.priority = priority;
    spec.health = health;
    return spec;
  }
};

using Health = EndpointHealth;

TEST_F(GroupsTest, LowerPrioritiesAreLeftAloneWhileTheFirstIsHealthyEnough) {
  Take(Groups({Of(0), Of(0), Of(0), Of(0, Health::kUnhealthy), Of(1)}));
  EXPECT_EQ(Count(90), (std::vector<int>{30, 30, 30, 0, 0}));
}

TEST_F(GroupsTest, LoadSpillsOverSmoothly) {
  Take(Groups({Of(0), Of(0, Health::kUnhealthy), Of(1), Of(1)}));
  const std::vector<int> counts = Count(1000);  // 50 % * 1.4
  EXPECT_NEAR(counts[0], 700, 50);
  EXPECT_NEAR(counts[2] + counts[3], 300, 50);
}

TEST_F(GroupsTest, OpenBreakersSpillOverAndComeBackByTheirTrials) {
  spec_.breaker = BreakerSpec{.gateway_errors = {1, 100}, .max_open_percent = 100};
  Take(Groups({Of(0), Of(0), Of(1)}));
  int failures = 0;
  const auto broken = [&](size_t index) {
    failures += index != 2;
    return index == 2 ? Outcome::kGood : Outcome::kGatewayError;
  };
  EXPECT_EQ(Count(100, broken), (std::vector<int>{1, 1, 98}));
  Pass(seconds(31));
  EXPECT_EQ(Count(100, broken), (std::vector<int>{1, 1, 98}));
  Pass(seconds(61));
  EXPECT_EQ(Count(100), (std::vector<int>{50, 50, 0}));
}

// Another worker changed it; this one was not notified.
TEST_F(GroupsTest, ChangesOfOtherWorkersAreSeen) {
  spec_.breaker = BreakerSpec{.gateway_errors = {1, 100}, .max_open_percent = 100};
  spec_.panic_percent = 0;
  Take(Groups({Of(0), Of(0)}));
  Cluster other(*loop_, deadlines_, Spec(), limits_);
  other.SetEndpoints(cluster_->endpoint_set());
  Cluster::Picked picked = other.Pick({}, 0, &failure_);
  const bool first = picked.endpoint->spec().address.port() == 1000;
  other.Report(picked, Outcome::kGatewayError);
  other.Leave(picked);
  EXPECT_EQ(Count(10), (first ? std::vector<int>{0, 10} : std::vector<int>{10, 0}));
}

TEST_F(GroupsTest, Fault74_WithoutPanicUnhealthyEndpointsAreNotUsed) {
  spec_.panic_percent = 0;
  Take(Groups({Of(0, Health::kUnhealthy), Of(1, Health::kUnhealthy)}));
  EXPECT_EQ(Count(10), (std::vector<int>{0, 0}));
  EXPECT_EQ(failure_.kind, failures::kNoHealthyEndpoint);
}

TEST_F(GroupsTest, Fault74_InPanicAllAreUsedExceptDraining) {
  Take(Groups(
      {Of(0, Health::kUnhealthy), Of(0), Of(0, Health::kUnhealthy), Of(0, Health::kDraining)}));
  EXPECT_EQ(Count(90), (std::vector<int>{30, 30, 30, 0}));
  EXPECT_TRUE(cluster_->groups().in_panic());
}

TEST_F(GroupsTest, Fault74_PanicMayFailInstead) {
  spec_.fail_in_panic = true;
  Take(Groups({Of(0, Health::kUnhealthy), Of(0, Health::kUnhealthy), Of(0)}));
  EXPECT_EQ(Count(10), (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(failure_.kind, failures::kNoHealthyEndpoint);
}

TEST_F(GroupsTest, LocalitiesTakeTheirWeight) {
  spec_.locality_weighted = true;
  auto set = Groups({Of(0), Of(0), Of(0), Of(0)});
  set->localities = {LocalityOf(1), LocalityOf(3), LocalityOf(0)};
  for (const size_t i : {1u, 2u}) set->endpoints[i].locality = 1;
  set->endpoints[3].locality = 2;
  Take(set);
  const std::vector<int> counts = Count(400);
  EXPECT_NEAR(counts[0], 100, 2);
  EXPECT_NEAR(counts[1], 150, 2);
  EXPECT_NEAR(counts[2], 150, 2);
  EXPECT_EQ(counts[3], 0);
}

TEST_F(GroupsTest, LocalityThatIsHalfGoneTakesLess) {
  spec_.locality_weighted = true;
  auto set = Groups({Of(0), Of(0), Of(0), Of(0, Health::kUnhealthy)});
  set->localities = {LocalityOf(1), LocalityOf(1)};
  for (const size_t i : {2u, 3u}) set->endpoints[i].locality = 1;
  Take(set);
  const std::vector<int> counts = Count(1700);  // 1 against 0.5 * 1.4
  EXPECT_NEAR(counts[0] + counts[1], 1000, 5);
  EXPECT_NEAR(counts[2], 700, 5);
}

TEST_F(GroupsTest, NewcomerStartsSlowlyAndTheWindowEndsByItself) {
  spec_.slow_start.window = seconds(10);
  Take(Groups({Of(0)}));
  Pass(seconds(60));
  cluster_->SetEndpoints(Groups({Of(0), Of(0)}));
  EXPECT_NEAR(Count(1100)[1], 100, 5);
  Pass(seconds(11));
  EXPECT_EQ(Count(100), (std::vector<int>{50, 50}));
}

TEST_F(GroupsTest, PeakEwmaLearnsFromAnswers) {
  spec_.balancing = Balancing::kPeakEwma;
  Take(Groups({Of(0), Of(0)}));
  // Fast errors and push-back do not attract requests.
  for (const Outcome bad : {Outcome::kServerError, Outcome::kOverloaded}) {
    Take(Groups({Of(0), Of(0)}));
    const auto ending = [bad](size_t index) { return index == 0 ? bad : Outcome::kGood; };
    EXPECT_LE(Count(100, ending)[0], 1);
  }
}

TEST_F(GroupsTest, PeakEwmaMeasuresFromSending) {
  spec_.balancing = Balancing::kPeakEwma;
  Take(Groups({Of(0), Of(0)}));
  Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
  Endpoint& endpoint = *picked.endpoint;
  Pass(seconds(2));  // it waited for a connection
  cluster_->MarkSent(picked);
  Pass(milliseconds(200));
  cluster_->Report(picked, Outcome::kGood);
  EXPECT_NEAR(endpoint.latency.At(loop_->Now(), spec_.ewma), 0.2, 0.001);
  cluster_->Leave(picked);
}

}  // namespace
}  // namespace tulle::upstream
