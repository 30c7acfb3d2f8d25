// The parts that pools are made of, each alone.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "net/http/testing/stream_recorder.h"
#include "net/loop/deadlines.h"
#include "net/loop/testing/fake_loop.h"
#include "sidecar/upstream/connection_budget.h"
#include "sidecar/upstream/failures.h"
#include "sidecar/upstream/idle_connections.h"
#include "sidecar/upstream/stream_queue.h"

namespace tulle::upstream {
namespace {

using std::chrono::seconds;

TEST(ConnectionBudgetTest, IsTheWorkersShareAndCountsForTheWholeCluster) {
  const auto limits = std::make_shared<ClusterLimits>(2);
  ConnectionBudget first(limits), second(limits);
  first.set_limit(4);
  second.set_limit(4);
  EXPECT_TRUE(first.TryEnter());
  EXPECT_TRUE(first.TryEnter());
  EXPECT_FALSE(first.has_room());
  EXPECT_FALSE(first.TryEnter());
  EXPECT_TRUE(second.TryEnter());
  EXPECT_EQ(limits->connections.count(), 3u);
  first.Leave();
  EXPECT_TRUE(first.has_room());
  EXPECT_EQ(limits->connections.count(), 2u);
}

TEST(ConnectionBudgetTest, EachWorkerMayHaveOne) {
  ConnectionBudget budget(std::make_shared<ClusterLimits>(8));
  budget.set_limit(3);
  EXPECT_TRUE(budget.TryEnter());
  EXPECT_FALSE(budget.TryEnter());
}

TEST(ConnectionBudgetTest, RemembersThatSomeoneWasRefused) {
  const auto limits = std::make_shared<ClusterLimits>(1);
  ConnectionBudget budget(limits);
  budget.set_limit(1);
  EXPECT_FALSE(limits->used.load());
  EXPECT_TRUE(budget.TryEnter());
  EXPECT_TRUE(limits->used.load());
  EXPECT_FALSE(budget.starved());
  EXPECT_FALSE(budget.TryEnter());
  EXPECT_TRUE(budget.starved());
  EXPECT_TRUE(budget.TakeStarved());
  EXPECT_FALSE(budget.TakeStarved());
}

TEST(ConnectionBudgetTest, HasNoLimitUnlessThereIsOne) {
  ConnectionBudget budget(std::make_shared<ClusterLimits>(8));
  budget.set_limit(Caps::kUnlimited);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(budget.TryEnter());
}

class IdleConnectionsTest : public testing::Test {
 protected:
  struct Connection : IdleConnection {
    void CloseIdle() override {
      open = false;
      LeaveIdle();
    }
    bool open = true;
  };

  loop::FakeLoop loop_;
  IdleConnections idle_{loop_};
  Connection one_, two_, three_;
};

TEST_F(IdleConnectionsTest, EachEndsAfterItsTimeout) {
  idle_.Configure(seconds(10), Caps::kUnlimited);
  idle_.Add(one_);
  loop_.Advance(seconds(6));
  idle_.Add(two_);
  loop_.Advance(seconds(5));
  EXPECT_FALSE(one_.open);
  EXPECT_TRUE(two_.open);
  loop_.Advance(seconds(5));
  EXPECT_FALSE(two_.open);
}

TEST_F(IdleConnectionsTest, OneThatWasUsedStartsAnew) {
  idle_.Configure(seconds(10), Caps::kUnlimited);
  idle_.Add(one_);
  loop_.Advance(seconds(6));
  one_.LeaveIdle();
  idle_.Add(one_);
  loop_.Advance(seconds(6));
  EXPECT_TRUE(one_.open);
  loop_.Advance(seconds(5));
  EXPECT_FALSE(one_.open);
}

TEST_F(IdleConnectionsTest, ZeroIsNoTimeout) {
  idle_.Configure(seconds(0), Caps::kUnlimited);
  idle_.Add(one_);
  loop_.Advance(std::chrono::hours(24));
  EXPECT_TRUE(one_.open);
}

TEST_F(IdleConnectionsTest, AShorterTimeoutHoldsForThoseThatAreIdle) {
  idle_.Configure(std::chrono::hours(1), Caps::kUnlimited);
  idle_.Add(one_);
  loop_.Advance(seconds(10));
  idle_.Configure(seconds(20), Caps::kUnlimited);
  loop_.Advance(seconds(11));
  EXPECT_FALSE(one_.open);
}

TEST_F(IdleConnectionsTest, TheOldestMakeRoom) {
  idle_.Configure(seconds(10), 1);
  idle_.CloseOldest();  // there is none
  idle_.Add(one_);
  idle_.Add(two_);
  idle_.Add(three_);
  idle_.CloseOldest();
  EXPECT_FALSE(one_.open);
  EXPECT_TRUE(two_.open);
  idle_.Trim();
  EXPECT_FALSE(two_.open);
  EXPECT_TRUE(three_.open);
  EXPECT_FALSE(idle_.empty());
}

class StreamQueueTest : public testing::Test {
 protected:
  class Waiter : public StreamWaiter {
   public:
    explicit Waiter(loop::Loop& loop) : recorder_(loop.slab()) {}
    http::StreamEvents& events() override { return recorder_; }
    void OnStream(http::Stream&, Transport&, bool) override { ADD_FAILURE(); }
    void OnNoStream(Failure why) override { failure = why.kind; }
    FailureKind failure = FailureKind::kNone;

   private:
    http::StreamRecorder recorder_;
  };

  static std::shared_ptr<const ClusterSpec> Spec(uint32_t pending) {
    auto spec = std::make_shared<ClusterSpec>();
    spec->caps.pending_requests = pending;
    spec->connect_timeout = seconds(5);
    return spec;
  }

  loop::FakeLoop loop_;
  loop::Deadlines deadlines_{loop_};
  std::shared_ptr<ClusterLimits> limits_ = std::make_shared<ClusterLimits>(1);
  PoolResources resources_{loop_, deadlines_, Spec(2), limits_};
  Waiter one_{loop_}, two_{loop_}, three_{loop_};
  StreamQueue queue_{resources_};
};

TEST_F(StreamQueueTest, IsInOrderAndWithinTheLimit) {
  EXPECT_TRUE(queue_.Push(one_, false));
  EXPECT_TRUE(queue_.Push(two_, true));
  EXPECT_FALSE(queue_.Push(three_, false));
  EXPECT_FALSE(three_.waiting());
  EXPECT_EQ(limits_->pending.count(), 2u);
  EXPECT_EQ(&queue_.Pop(), &one_);
  EXPECT_FALSE(one_.waiting());
  EXPECT_TRUE(queue_.front().fresh());
  two_.Withdraw();
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(limits_->pending.count(), 0u);
}

TEST_F(StreamQueueTest, KnowsHowManyConnectionsItNeeds) {
  queue_.Push(one_, false);
  EXPECT_TRUE(queue_.NeedsConnection(1));
  EXPECT_FALSE(one_.connection_under_way());
  queue_.AddConnecting();
  EXPECT_TRUE(one_.connection_under_way());
  EXPECT_FALSE(queue_.NeedsConnection(1));
  queue_.Push(two_, false);
  EXPECT_TRUE(queue_.NeedsConnection(1));
  EXPECT_FALSE(queue_.NeedsConnection(2));
}

TEST_F(StreamQueueTest, AFailedConnectionFailsThoseThatItWasFor) {
  queue_.Push(one_, false);
  queue_.Push(two_, false);
  queue_.AddConnecting();
  queue_.AddConnecting();
  queue_.RemoveConnecting();
  queue_.FailExcess(1, {FailureKind::kConnectRefused});
  EXPECT_EQ(one_.failure, FailureKind::kConnectRefused);
  EXPECT_TRUE(two_.waiting());
}

TEST_F(StreamQueueTest, WaitingEndsUnlessAConnectionIsUnderWay) {
  queue_.Push(one_, false);
  queue_.AddConnecting();
  loop_.Advance(seconds(6));
  EXPECT_TRUE(one_.waiting());
  queue_.RemoveConnecting();
  loop_.Advance(seconds(5));
  EXPECT_EQ(one_.failure, failures::kOverflow);
  EXPECT_EQ(limits_->pending.count(), 0u);
}

}  // namespace
}  // namespace tulle::upstream
