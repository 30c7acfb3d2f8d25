#include "control-plane/server/accept_pace.h"

#include <gtest/gtest.h>

namespace tulle::server {
namespace {

using std::chrono::milliseconds;

// How many connections are accepted within a second if more are always waiting and pauses end that
// much too late.
int AcceptedWithinASecond(AcceptPace& pace, loop::Instant& now, loop::Duration late) {
  int accepted = 0;
  const loop::Instant end = now + std::chrono::seconds(1);
  while (now < end) {
    ++accepted;
    if (pace.Take(now)) continue;
    now += AcceptPace::kPause + late;
    pace.OnResumed(now);
  }
  return accepted;
}

TEST(AcceptPace, ABurstIsAcceptedAtOnceAndThenSoManyPerSecond) {
  AcceptPace pace;
  loop::Instant now{std::chrono::hours(1)};
  constexpr milliseconds kSomewhatLate{15};
  const int first = AcceptedWithinASecond(pace, now, kSomewhatLate);
  EXPECT_GE(first, AcceptPace::kLeastPerSecond);
  EXPECT_LE(first, AcceptPace::kLeastPerSecond + AcceptPace::kBurst + 1);
  const int second = AcceptedWithinASecond(pace, now, kSomewhatLate);
  EXPECT_NEAR(second, AcceptPace::kLeastPerSecond, 20);
  EXPECT_GT(pace.pauses(), 0u);
}

TEST(AcceptPace, FollowsWhatTheLoopCanDo) {
  AcceptPace pace;
  loop::Instant now{std::chrono::hours(1)};
  AcceptedWithinASecond(pace, now, milliseconds(0));
  EXPECT_EQ(pace.per_second(), AcceptPace::kMostPerSecond);
  EXPECT_NEAR(AcceptedWithinASecond(pace, now, milliseconds(0)), AcceptPace::kMostPerSecond, 60);
  AcceptedWithinASecond(pace, now, milliseconds(50));
  EXPECT_EQ(pace.per_second(), AcceptPace::kLeastPerSecond);
}

TEST(AcceptPace, FewConnectionsAreNeverPaused) {
  AcceptPace pace;
  loop::Instant now{std::chrono::hours(1)};
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(pace.Take(now));
    now += milliseconds(5);
  }
  EXPECT_EQ(pace.pauses(), 0u);
}

}  // namespace
}  // namespace tulle::server
