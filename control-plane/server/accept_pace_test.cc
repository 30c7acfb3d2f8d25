#include "control-plane/server/accept_pace.h"

#include <gtest/gtest.h>

namespace tulle::server {
namespace {

using std::chrono::milliseconds;

// How many connections are accepted within a second if more are always waiting.
int AcceptedWithinASecond(AcceptPace& pace, loop::Instant& now) {
  int accepted = 0;
  const loop::Instant end = now + std::chrono::seconds(1);
  while (now < end) {
    ++accepted;
    if (!pace.Take(now)) now += AcceptPace::kPause;
  }
  return accepted;
}

TEST(AcceptPace, ABurstIsAcceptedAtOnceAndThenSoManyPerSecond) {
  AcceptPace pace;
  loop::Instant now{std::chrono::hours(1)};
  const int first = AcceptedWithinASecond(pace, now);
  EXPECT_GE(first, AcceptPace::kPerSecond);
  EXPECT_LE(first, AcceptPace::kPerSecond + AcceptPace::kBurst + 1);
  const int second = AcceptedWithinASecond(pace, now);
  EXPECT_NEAR(second, AcceptPace::kPerSecond, 20);
  EXPECT_GT(pace.pauses(), 0u);
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
