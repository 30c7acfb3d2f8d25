#include "control-plane/server/turn_queue.h"

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "net/loop/sim/simulation.h"

namespace tulle::server {
namespace {

class TurnQueueTest : public testing::Test {
 protected:
  class Call final : public TurnQueue::Entry {
   public:
    Call(TurnQueueTest& test, std::string name) : test_(test), name_(std::move(name)) {}
    void OnTurn() override {
      test_.served_.push_back(name_);
      test_.turns_.push_back(test_.turn_);
    }
    void OnNoRoom() override { test_.displaced_.push_back(name_); }

   private:
    TurnQueueTest& test_;
    const std::string name_;
  };

  TurnQueueTest() {
    ticker_ = loop_->NewTimer([this] {
      ++turn_;
      if (queue_->size() > 0) ticker_->Start({});
    });
  }
  TurnQueue::Place Push(const std::string& source, const std::string& name) {
    return queue_->Push(source, calls_.emplace_back(*this, name));
  }
  void Serve() {
    ticker_->Start({});
    simulation_.RunFor(std::chrono::seconds(1));
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  std::unique_ptr<TurnQueue> queue_ =
      std::make_unique<TurnQueue>(*loop_, TurnQueue::Limits{.most = 6, .most_of_one = 4});
  std::list<Call> calls_;
  std::unique_ptr<loop::Timer> ticker_;
  int turn_ = 0;
  std::vector<std::string> served_, displaced_;
  std::vector<int> turns_;
};

using Names = std::vector<std::string>;
using Place = TurnQueue::Place;

TEST_F(TurnQueueTest, SourcesTakeTurnsAndEachTurnOfTheLoopServesOne) {
  for (const char* name : {"a1", "a2", "a3", "a4"}) EXPECT_EQ(Push("a", name), Place::kQueued);
  EXPECT_EQ(Push("a", "a5"), Place::kTooManyOfSource);
  EXPECT_EQ(Push("b", "b1"), Place::kQueued);
  EXPECT_TRUE(served_.empty());
  Serve();
  EXPECT_EQ(served_, (Names{"a1", "b1", "a2", "a3", "a4"}));
  for (size_t i = 1; i < turns_.size(); ++i) EXPECT_GT(turns_[i], turns_[i - 1]);
  EXPECT_EQ(Push("a", "a6"), Place::kQueued);
  Serve();
  EXPECT_EQ(served_.back(), "a6");
}

TEST_F(TurnQueueTest, WhenItIsFullTheSourceWithTheMostMakesRoom) {
  for (const char* name : {"a1", "a2", "a3", "a4"}) Push("a", name);
  Push("b", "b1");
  Push("b", "b2");
  EXPECT_EQ(Push("c", "c1"), Place::kQueued);
  EXPECT_EQ(displaced_, Names{"a4"});
  EXPECT_EQ(queue_->size(), 6);
  EXPECT_EQ(Push("b", "b3"), Place::kTooMany) << "it would have as many as the other one";
  Serve();
  EXPECT_EQ(served_, (Names{"a1", "b1", "c1", "a2", "b2", "a3"}));
}

TEST_F(TurnQueueTest, WhoLeavesIsForgotten) {
  Push("a", "a1");
  Push("a", "a2");
  calls_.pop_front();
  Serve();
  EXPECT_EQ(served_, Names{"a2"});
  Push("a", "a3");
  queue_.reset();
  calls_.back().Cancel();
}

}  // namespace
}  // namespace tulle::server
