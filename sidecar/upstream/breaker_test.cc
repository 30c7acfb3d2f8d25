#include "sidecar/upstream/breaker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tulle::upstream {
namespace {

using std::chrono::milliseconds;

class BreakerTest : public ::testing::Test {
 protected:
  // One attempt that passes and reports; false: not allowed to pass.
  bool Try(Outcome outcome) {
    const auto pass = breaker_.TryPass(now_);
    if (!pass) return false;
    Report(*pass, outcome);
    return true;
  }
  void Report(Breaker::Pass pass, Outcome outcome) {
    if (breaker_.Report(pass, outcome, spec_, now_, random_))
      breaker_.Open(pass, spec_, now_, random_);
  }
  void Fail(int times) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(Try(Outcome::kGatewayError)) << i;
  }

  Breaker breaker_;
  BreakerSpec spec_{.errors = {5, 0},
                    .gateway_errors = {5, 100},
                    .open_for = milliseconds(1000),
                    .max_open_for = milliseconds(60000),
                    .max_open_percent = 100};
  loop::Instant now_{std::chrono::hours(1)};
  loop::Random random_{7};
};

TEST_F(BreakerTest, OpensAfterARunOfFailures) {
  Fail(4);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  Fail(1);
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  EXPECT_FALSE(Try(Outcome::kGood));
}

TEST_F(BreakerTest, KnowsSinceWhenItIsOpen) {
  const loop::Instant opened = now_;
  Fail(5);
  now_ += milliseconds(1000);
  ASSERT_TRUE(Try(Outcome::kGatewayError));  // the trial fails
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  EXPECT_EQ(breaker_.opened_at(), opened);
}

TEST_F(BreakerTest, OneSuccessEndsTheRun) {
  for (int i = 0; i < 20; ++i) {
    Fail(4);
    EXPECT_TRUE(Try(Outcome::kGood));
  }
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

class UnreachableTest : public BreakerTest {
 protected:
  UnreachableTest() {
    spec_.gateway_errors.percent = 0;
    spec_.split = true;
    spec_.unreachable = {5, 100};
  }
  void Open() {
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(Try(Outcome::kUnreachable));
    ASSERT_EQ(breaker_.state(), BreakerState::kOpen);
  }
};

TEST_F(UnreachableTest, OnlyWhatCannotBeReachedCounts) {
  for (const Outcome outcome : {Outcome::kServerError, Outcome::kGatewayError, Outcome::kNoAnswer,
                                Outcome::kGaveUp, Outcome::kNothing}) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(Try(outcome));
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Try(Outcome::kUnreachable));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  EXPECT_TRUE(Try(Outcome::kUnreachable));
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
}

TEST_F(UnreachableTest, AnyAnswerEndsTheRun) {
  for (const Outcome outcome : {Outcome::kGood, Outcome::kServerError, Outcome::kGatewayError,
                                Outcome::kNoAnswer, Outcome::kOverloaded}) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(Try(Outcome::kUnreachable));
    EXPECT_TRUE(Try(outcome));
  }
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(UnreachableTest, AnErrorAnswerToTheTrialClosesIt) {
  Open();
  now_ += milliseconds(1000);
  EXPECT_TRUE(Try(Outcome::kGatewayError));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(UnreachableTest, ATrialThatConnectsTooLateForItsRequestIsMadeAgain) {
  Open();
  now_ += milliseconds(1000);
  EXPECT_TRUE(Try(Outcome::kGaveUp));
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  EXPECT_TRUE(Try(Outcome::kUnreachable));
  EXPECT_FALSE(Try(Outcome::kGood));
}

TEST_F(UnreachableTest, AnswersStillCountWhereAPolicyAsksForThem) {
  spec_.gateway_errors.percent = 100;
  for (int i = 0; i < 4; ++i) Try(Outcome::kGatewayError);
  Try(Outcome::kUnreachable);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  Try(Outcome::kGatewayError);
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, WithoutTheSplitAllThatIsNotAnAnswerCounts) {
  for (const Outcome outcome : {Outcome::kNoAnswer, Outcome::kUnreachable, Outcome::kGaveUp,
                                Outcome::kGatewayError, Outcome::kNoAnswer}) {
    EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
    EXPECT_TRUE(Try(outcome));
  }
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, NeutralResultsDoNotChangeTheRun) {
  Fail(4);
  for (int i = 0; i < 10; ++i) Try(Outcome::kNothing);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  Fail(1);
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, OtherServerErrorsCountOnlyIfAskedFor) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Try(Outcome::kServerError));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  spec_.errors.percent = 100;
  EXPECT_TRUE(Try(Outcome::kServerError));
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
}

TEST_F(BreakerTest, ExactlyOneTrialAndItsSuccessCloses) {
  Fail(5);
  now_ += milliseconds(999);
  EXPECT_FALSE(breaker_.TryPass(now_).has_value());
  now_ += milliseconds(1);
  const auto trial = breaker_.TryPass(now_);
  ASSERT_TRUE(trial.has_value());
  EXPECT_TRUE(trial->trial);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(breaker_.TryPass(now_).has_value());
  now_ += std::chrono::hours(1);
  EXPECT_FALSE(breaker_.TryPass(now_).has_value()) << "however long the trial takes";
  Report(*trial, Outcome::kGood);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  Fail(4);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed) << "the run begins anew";
}

TEST_F(BreakerTest, EachFailedTrialDoublesTheTimeUpToTheMost) {
  Fail(5);
  milliseconds open{1000};
  for (int i = 0; i < 10; ++i) {
    now_ += open - milliseconds(1);
    EXPECT_FALSE(breaker_.TryPass(now_).has_value()) << i;
    now_ += milliseconds(1);
    EXPECT_TRUE(Try(Outcome::kServerError)) << i;
    open = std::min(open * 2, spec_.max_open_for);
  }
  now_ += spec_.max_open_for;
  EXPECT_TRUE(Try(Outcome::kGood));
  Fail(5);
  now_ += milliseconds(1000);
  EXPECT_TRUE(Try(Outcome::kGood)) << "after it was closed the first time is short again";
}

TEST_F(BreakerTest, ATrialWithoutResultAllowsAnother) {
  Fail(5);
  now_ += milliseconds(1000);
  EXPECT_TRUE(Try(Outcome::kNothing));
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  EXPECT_TRUE(Try(Outcome::kGood));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, LateResultsAreIgnored) {
  const auto slow = breaker_.TryPass(now_);
  const auto slower = breaker_.TryPass(now_);
  Fail(5);
  Report(*slow, Outcome::kGood);
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen) << "sent before it opened";
  now_ += milliseconds(1000);
  const auto trial = breaker_.TryPass(now_);
  Report(*slower, Outcome::kGatewayError);
  Report(*trial, Outcome::kGood);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  Fail(4);
  Report(*slower, Outcome::kGatewayError);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, JitterIsAddedWithinItsBound) {
  spec_.jitter = milliseconds(500);
  bool early = false, late = false;
  for (int i = 0; i < 50; ++i) {
    Breaker one;
    for (int n = 0; n < 5; ++n) {
      const auto pass = one.TryPass(now_);
      if (one.Report(*pass, Outcome::kGatewayError, spec_, now_, random_))
        one.Open(*pass, spec_, now_, random_);
    }
    EXPECT_FALSE(one.TryPass(now_ + milliseconds(999)).has_value());
    if (one.TryPass(now_ + milliseconds(1250)).has_value()) {
      early = true;
    } else {
      late = true;
      EXPECT_TRUE(one.TryPass(now_ + milliseconds(1500)).has_value());
    }
  }
  EXPECT_TRUE(early && late);
}

TEST_F(BreakerTest, OneTrialOverManyThreads) {
  for (int round = 0; round < 200; ++round) {
    Breaker shared;
    loop::Random random(static_cast<uint64_t>(round));
    for (int n = 0; n < 5; ++n) {
      const auto pass = shared.TryPass(now_);
      if (shared.Report(*pass, Outcome::kGatewayError, spec_, now_, random))
        shared.Open(*pass, spec_, now_, random);
    }
    std::atomic<int> trials = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back(
          [&] { trials += shared.TryPass(now_ + milliseconds(1000)).has_value(); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(trials, 1);
  }
}

}  // namespace
}  // namespace tulle::upstream
