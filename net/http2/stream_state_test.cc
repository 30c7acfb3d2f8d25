#include "net/http2/stream_state.h"

#include <gtest/gtest.h>

namespace tulle::http2 {
namespace {

TEST(ReceivingStateTest, AMessageWithoutBodyIsDeliveredWithItsHead) {
  ReceivingState state;
  EXPECT_FALSE(state.head_received());
  EXPECT_FALSE(state.ended());
  state.OnHead(true);
  EXPECT_TRUE(state.head_received());
  EXPECT_TRUE(state.ended());
  EXPECT_FALSE(state.end_pending());
}

TEST(ReceivingStateTest, TheEndWaitsUntilItIsDelivered) {
  ReceivingState state;
  state.OnHead(false);
  EXPECT_FALSE(state.ended());
  state.OnEnd();
  EXPECT_TRUE(state.ended());
  EXPECT_TRUE(state.end_pending());
  state.OnEndDelivered();
  EXPECT_TRUE(state.ended());
  EXPECT_FALSE(state.end_pending());
}

TEST(ReceivingStateTest, WhatFollowsTheEndChangesNothing) {
  ReceivingState state;
  state.OnHead(true);
  state.OnEnd();
  EXPECT_FALSE(state.end_pending());
  state.OnHead(false);
  EXPECT_TRUE(state.ended());
}

TEST(ReceivingStateTest, ADetachedStreamMayEndWithoutAHead) {
  ReceivingState state;
  state.OnEnd();
  EXPECT_TRUE(state.ended());
}

TEST(ReceivingStateTest, AResetIsReportedOnceAndReplacesThePendingEnd) {
  ReceivingState state;
  EXPECT_FALSE(state.TakeReset());
  state.OnHead(false);
  state.OnEnd();
  EXPECT_FALSE(state.TakeReset());
  EXPECT_TRUE(state.end_pending());
  state.OnReset();
  EXPECT_FALSE(state.end_pending());
  EXPECT_TRUE(state.reset());
  EXPECT_TRUE(state.TakeReset());
  EXPECT_FALSE(state.TakeReset());
  EXPECT_TRUE(state.reset());
  state.OnEnd();
  EXPECT_FALSE(state.ended());
}

TEST(SendingStateTest, AMessageWithoutBodyEndsWithItsHead) {
  SendingState state;
  EXPECT_FALSE(state.head_submitted());
  state.OnHead(true);
  EXPECT_TRUE(state.head_submitted());
  EXPECT_TRUE(state.ended());
  EXPECT_FALSE(state.sent());
  state.OnSent();
  EXPECT_TRUE(state.ended());
  EXPECT_TRUE(state.sent());
}

TEST(SendingStateTest, OnlyAPausedBodyIsResumed) {
  SendingState state;
  state.OnHead(false);
  EXPECT_FALSE(state.OnMore(false));
  state.OnPaused();
  EXPECT_FALSE(state.ended());
  EXPECT_TRUE(state.OnMore(false));
  EXPECT_FALSE(state.OnMore(false));
  state.OnPaused();
  EXPECT_TRUE(state.OnMore(true));
  EXPECT_TRUE(state.ended());
}

TEST(SendingStateTest, TrailersAreSubmittedOnceAfterTheBody) {
  SendingState state;
  state.OnHead(false);
  EXPECT_FALSE(state.OnBodyTaken());
  EXPECT_FALSE(state.OnMore(true));
  state.OnPaused();
  EXPECT_TRUE(state.OnBodyTaken());
  EXPECT_FALSE(state.OnBodyTaken());
  EXPECT_TRUE(state.ended());
  EXPECT_FALSE(state.sent());
  state.OnSent();
  EXPECT_TRUE(state.sent());
}

TEST(LifetimeTest, WeResetAtMostOnce) {
  Lifetime lifetime;
  EXPECT_TRUE(lifetime.open());
  EXPECT_TRUE(lifetime.OnResetByUs());
  EXPECT_TRUE(lifetime.reset_by_us());
  EXPECT_FALSE(lifetime.OnResetByUs());
  lifetime.OnClosed();
  EXPECT_FALSE(lifetime.OnResetByUs());
  EXPECT_TRUE(lifetime.closed());
}

TEST(LifetimeTest, AResetByThePeerMayCrossOurs) {
  Lifetime lifetime;
  EXPECT_TRUE(lifetime.OnResetByUs());
  lifetime.OnResetByPeer();
  EXPECT_TRUE(lifetime.reset_by_peer());
  EXPECT_FALSE(lifetime.reset_by_us());
  lifetime.OnClosed();
  lifetime.OnResetByPeer();
  EXPECT_TRUE(lifetime.closed());
}

TEST(LifetimeTest, NothingIsResetAfterThePeerDidIt) {
  Lifetime lifetime;
  lifetime.OnResetByPeer();
  EXPECT_FALSE(lifetime.open());
  EXPECT_FALSE(lifetime.OnResetByUs());
}

}  // namespace
}  // namespace tulle::http2
