#include "net/http2/drain.h"

#include <gtest/gtest.h>

#include "net/http2/keepalive.h"

namespace tulle::http2 {
namespace {

TEST(DrainTest, ServesUntilItBegins) {
  Drain drain;
  EXPECT_FALSE(drain.leaving());
  EXPECT_FALSE(drain.announced());
  EXPECT_TRUE(drain.Begin());
  EXPECT_TRUE(drain.leaving());
  EXPECT_FALSE(drain.announced());
  EXPECT_FALSE(drain.Begin());
}

TEST(DrainTest, TheLastGoawayIsSentOnce) {
  Drain drain;
  drain.Begin();
  EXPECT_TRUE(drain.Announce());
  EXPECT_TRUE(drain.announced());
  EXPECT_FALSE(drain.Announce());
  EXPECT_FALSE(drain.Begin());
  EXPECT_TRUE(drain.announced());
}

TEST(DrainTest, AGoawayOfThePeerStopsNewStreams) {
  Drain drain;
  drain.OnPeerGoaway();
  EXPECT_TRUE(drain.leaving());
  EXPECT_TRUE(drain.peer_leaving());
  EXPECT_TRUE(drain.Announce());
  EXPECT_TRUE(drain.leaving());
}

TEST(DrainTest, OnlyTheAnswerToItsOwnPingCounts) {
  Drain drain;
  EXPECT_FALSE(drain.IsAnswer(Drain::kPing.data()));
  drain.Begin();
  EXPECT_TRUE(drain.IsAnswer(Drain::kPing.data()));
  EXPECT_FALSE(drain.IsAnswer(Keepalive::kPing.data()));
  drain.Announce();
  EXPECT_FALSE(drain.IsAnswer(Drain::kPing.data()));
}

}  // namespace
}  // namespace tulle::http2
