#include <gtest/gtest.h>

#include "tests/simulation/toy_world.h"

// The purpose of the simulator: timing bugs planted in a small server are found, and the same
// server without them passes every seed.
namespace tulle::toy {
namespace {

constexpr uint64_t kSeeds = 1000;

sim::FaultPlan Weather() {
  sim::FaultPlan plan;
  plan.short_io = 0.1;
  plan.reset = 0.01;
  plan.stall = 0.01;
  plan.maximum_stall = std::chrono::milliseconds(2);
  return plan;
}

// The first seed that shows the bug, or kSeeds.
template <typename Shows>
uint64_t Search(const PlantedBugs& bugs, Shows shows) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    if (shows(Play(seed, Weather(), bugs))) return seed;
  }
  return kSeeds;
}

TEST(Planted, CallToAnObjectThatIsGoneIsFound) {
  const uint64_t seed =
      Search({.forgets_call = true}, [](const Verdict& verdict) { return verdict.late_calls > 0; });
  ASSERT_LT(seed, kSeeds);
  RecordProperty("seed", static_cast<int>(seed));
  // The seed is the bug report: it shows the same bug each time.
  EXPECT_GT(Play(seed, Weather(), {.forgets_call = true}).late_calls, 0);
  EXPECT_EQ(Play(seed, Weather()).late_calls, 0);
}

TEST(Planted, LostWakeUpIsFound) {
  const uint64_t seed =
      Search({.drops_grant = true}, [](const Verdict& verdict) { return verdict.stuck; });
  ASSERT_LT(seed, kSeeds);
  RecordProperty("seed", static_cast<int>(seed));
  EXPECT_TRUE(Play(seed, Weather(), {.drops_grant = true}).stuck);
  EXPECT_FALSE(Play(seed, Weather()).stuck);
}

TEST(Planted, WithoutABugEverySeedPasses) {
  int answered = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Verdict verdict = Play(seed, Weather());
    ASSERT_FALSE(verdict.stuck) << "seed " << seed;
    ASSERT_EQ(verdict.late_calls, 0) << "seed " << seed;
    answered += verdict.answered;
  }
  EXPECT_GT(answered, 20'000);
}

}  // namespace
}  // namespace tulle::toy
