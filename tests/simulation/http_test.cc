#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "tests/simulation/http_caller.h"
#include "tests/simulation/http_origin.h"

// The HTTP/1.1 codecs against each other in all weathers: every request is answered right or is
// known to be lost.
namespace tulle::simulation {
namespace {

struct Tally {
  int answered = 0, lost = 0, wrong = 0;
  bool stuck = false;
};

Tally Play(uint64_t seed, const sim::FaultPlan& plan, const OriginHabits& habits) {
  sim::Simulation world(seed, plan);
  auto origin_loop = world.NewLoop(world.AddHost({"10.0.0.2"}));
  auto caller_loop = world.NewLoop(world.AddHost({"10.0.0.1"}));
  const auto at = *SocketAddress::ParseWithPort("10.0.0.2:80");
  Tally tally;
  HttpOrigin origin(*origin_loop, at, habits);
  std::vector<std::unique_ptr<HttpCaller>> callers;
  for (int i = 0; i < 3; ++i) {
    callers.push_back(std::make_unique<HttpCaller>(*caller_loop, at, Calls{.count = 20}));
  }
  const auto all_done = [&] {
    for (const auto& caller : callers) {
      if (!caller->done()) return false;
    }
    return true;
  };
  tally.stuck =
      world.RunUntil(all_done, std::chrono::minutes(10)) != sim::Simulation::Outcome::kConditionMet;
  for (const auto& caller : callers) {
    tally.answered += caller->answered();
    tally.lost += caller->lost();
    tally.wrong += caller->wrong();
  }
  return tally;
}

TEST(Http, GoodWeatherLosesNothing) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Tally tally = Play(seed, {}, {});
    ASSERT_FALSE(tally.stuck) << "seed " << seed;
    ASSERT_EQ(tally.answered, 60) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
  }
}

TEST(Http, StormsLoseOnlyWhatIsKnownToBeLost) {
  sim::FaultPlan plan;
  plan.short_io = 0.2;
  plan.maximum_segment = 700;
  plan.reset = 0.01;
  plan.refuse = 0.01;
  plan.delay = 0.02;
  plan.stall = 0.01;
  plan.partition_interval = std::chrono::seconds(2);
  int answered = 0, lost = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Tally tally = Play(seed, plan, {.one_in_fails = 20, .one_in_aborts = 20});
    ASSERT_FALSE(tally.stuck) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
    answered += tally.answered;
    lost += tally.lost;
  }
  EXPECT_GT(answered, 12'000);
  EXPECT_GT(lost, 500);
}

}  // namespace
}  // namespace tulle::simulation
