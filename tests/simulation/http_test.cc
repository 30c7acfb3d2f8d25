#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "tests/simulation/http_caller.h"
#include "tests/simulation/http_origin.h"
#include "tests/simulation/mesh_identity.h"

// The HTTP/1.1 codecs against each other in all network conditions: every request gets the right
// response or is known to be lost.
namespace tulle::simulation {
namespace {

struct Tally {
  int answered = 0, lost = 0, wrong = 0;
  bool stuck = false;
  uint64_t trace_hash = 0;
};

enum class Wire { kPlain, kMutualTls };

Tally Play(uint64_t seed, const sim::FaultPlan& plan, OriginHabits habits, Wire wire) {
  sim::Simulation world(seed, plan);
  auto origin_loop = world.NewLoop(world.AddHost({"10.0.0.2"}));
  auto caller_loop = world.NewLoop(world.AddHost({"10.0.0.1"}));
  const auto at = *SocketAddress::ParseWithPort("10.0.0.2:80");
  Calls calls{.count = 20};
  if (wire == Wire::kMutualTls) {
    MeshIdentity mesh(seed);
    habits.acceptor = mesh.NewAcceptor("origin");
    calls.connector = mesh.NewConnector("caller", "origin");
  }
  Tally tally;
  HttpOrigin origin(*origin_loop, at, habits);
  std::vector<std::unique_ptr<HttpCaller>> callers;
  for (int i = 0; i < 3; ++i) {
    callers.push_back(std::make_unique<HttpCaller>(*caller_loop, at, calls));
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
  tally.trace_hash = world.trace_hash();
  return tally;
}

sim::FaultPlan Storm() {
  sim::FaultPlan plan;
  plan.short_io = 0.2;
  plan.maximum_segment = 700;
  plan.reset = 0.01;
  plan.refuse = 0.01;
  plan.delay = 0.02;
  plan.stall = 0.01;
  plan.partition_interval = std::chrono::seconds(2);
  return plan;
}

class HttpTest : public testing::TestWithParam<Wire> {
 protected:
  uint64_t seeds() const { return GetParam() == Wire::kPlain ? 300 : 60; }
};

INSTANTIATE_TEST_SUITE_P(Wires, HttpTest, testing::Values(Wire::kPlain, Wire::kMutualTls),
                         [](const auto& wire) -> std::string {
                           return wire.param == Wire::kPlain ? "Plain" : "MutualTls";
                         });

TEST_P(HttpTest, GoodWeatherLosesNothing) {
  for (uint64_t seed = 0; seed < seeds() / 6; ++seed) {
    const Tally tally = Play(seed, {}, {}, GetParam());
    ASSERT_FALSE(tally.stuck) << "seed " << seed;
    ASSERT_EQ(tally.answered, 60) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
  }
}

TEST_P(HttpTest, StormsLoseOnlyWhatIsKnownToBeLost) {
  uint64_t answered = 0, lost = 0;
  for (uint64_t seed = 0; seed < seeds(); ++seed) {
    const OriginHabits habits{.one_in_fails = 20, .one_in_aborts = 20};
    const Tally tally = Play(seed, Storm(), habits, GetParam());
    ASSERT_FALSE(tally.stuck) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
    answered += static_cast<uint64_t>(tally.answered);
    lost += static_cast<uint64_t>(tally.lost);
  }
  EXPECT_GT(answered, seeds() * 40);
  EXPECT_GT(lost, seeds());
}

TEST_P(HttpTest, EqualSeedsGiveEqualTraces) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const uint64_t first = Play(seed, Storm(), {}, GetParam()).trace_hash;
    EXPECT_EQ(first, Play(seed, Storm(), {}, GetParam()).trace_hash) << "seed " << seed;
    EXPECT_NE(first, Play(seed + 1000, Storm(), {}, GetParam()).trace_hash);
  }
}

}  // namespace
}  // namespace tulle::simulation
