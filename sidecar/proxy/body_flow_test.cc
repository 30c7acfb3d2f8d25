// One direction of a body: credit, stages, what is kept for a retry.
#include "sidecar/proxy/body_flow.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sidecar/proxy/retries.h"
#include "sidecar/proxy/testing/upper_case_stage.h"

namespace tulle::proxy {
namespace {

using testing::UpperCaseStage;

// A codec's stream with as much room as the test says.
class FakeStream final : public http::Stream {
 public:
  void SendInterim(const http::Head&) override {}
  void SendHeaders(const http::Head&, bool) override {}
  void SendData(Buffer& data, bool end) override {
    sent += data.ToString();
    room -= std::min(room, data.size());
    data.Clear();
    ended |= end;
  }
  void SendTrailers(const http::HeaderMap&) override { ended = had_trailers = true; }
  size_t SendRoom() const override { return room; }
  void Pull(size_t bytes) override { pulled += bytes; }
  void Reset(Failure) override {}
  void Detach() override {}
  uint64_t bytes_on_wire() const override { return 0; }
  size_t held_bytes() const override { return 0; }

  size_t room = 1000;
  size_t pulled = 0;
  std::string sent;
  bool ended = false;
  bool had_trailers = false;
};

class Numbers final : public BodySource {
 public:
  explicit Numbers(size_t size) : left_(size) {}
  bool Read(Buffer& out, size_t most) override {
    const size_t piece = std::min(left_, most);
    out.Append(std::string(piece, '1'));
    left_ -= piece;
    return left_ == 0;
  }

 private:
  size_t left_;
};

class BodyFlowTest : public ::testing::Test, protected BodyFlowEvents {
 protected:
  void OnBodySent() override { ++told_; }
  void Join() {
    flow_.From(&source_);
    flow_.To(&sink_);
    flow_.Pull();
  }
  void Receive(std::string_view text, bool end = false) {
    Buffer data(slab_);
    data.Append(text);
    flow_.Receive(data, end);
    EXPECT_TRUE(data.empty());
  }
  void ReceiveTrailers() {
    Arena arena(slab_);
    http::HeaderMap trailers(arena);
    flow_.ReceiveTrailers(trailers);
  }
  template <typename... Arguments>
  UpperCaseStage& AddUpperCase(Arguments... arguments) {
    auto stage = std::make_unique<UpperCaseStage>(arguments...);
    UpperCaseStage& added = *stage;
    flow_.AddStage(std::move(stage));
    return added;
  }

  Slab slab_;
  FakeStream source_;
  FakeStream sink_;
  BodyFlow flow_{*this, slab_};
  int told_ = 0;
};

TEST_F(BodyFlowTest, CreditFollowsTheRoomOfTheSink) {
  Join();
  EXPECT_EQ(source_.pulled, 1000u);
  flow_.Pull();
  EXPECT_EQ(source_.pulled, 1000u);  // the credit is not used yet
  Receive(std::string(400, 'a'));
  flow_.Pull();
  EXPECT_EQ(source_.pulled, 1000u);  // 600 are under way, and there is room for 600
  sink_.room = 1000;
  flow_.Pull();
  EXPECT_EQ(source_.pulled, 1400u);
  Receive("b", true);
  EXPECT_TRUE(flow_.sent());
  EXPECT_TRUE(sink_.ended);
  flow_.Pull();
  EXPECT_EQ(source_.pulled, 1400u);
}

TEST_F(BodyFlowTest, AStageChangesTheBody) {
  AddUpperCase();
  Join();
  Receive("abc");
  Receive("def", true);
  EXPECT_EQ(sink_.sent, "ABCDEF");
  EXPECT_TRUE(sink_.ended);
}

TEST_F(BodyFlowTest, APausedStageHoldsTheBodyAndItsCredit) {
  UpperCaseStage& upper = AddUpperCase(4);
  Join();
  Receive("abcdef");
  EXPECT_EQ(sink_.sent, "ABCD");
  flow_.Pull();
  EXPECT_EQ(source_.pulled, 1000u);  // no more while it is paused
  Receive("gh", true);
  EXPECT_EQ(upper.calls, 1);
  EXPECT_GT(flow_.held_bytes(), 0u);
  EXPECT_FALSE(flow_.sent());
  flow_.Resume();
  EXPECT_EQ(sink_.sent, "ABCDEFGH");
  EXPECT_TRUE(sink_.ended);
  EXPECT_EQ(told_, 1);
}

TEST_F(BodyFlowTest, StagesRunInOrderAndTheEndComesLast) {
  AddUpperCase(2);
  AddUpperCase(1);
  Join();
  Receive("abc", true);
  EXPECT_EQ(sink_.sent, "A");
  flow_.Resume();
  EXPECT_EQ(sink_.sent, "ABC");
  EXPECT_TRUE(flow_.sent());
}

TEST_F(BodyFlowTest, TrailersFollowWhatTheStagesHold) {
  UpperCaseStage& upper = AddUpperCase(1);
  Join();
  Receive("abc");
  ReceiveTrailers();
  EXPECT_FALSE(upper.had_trailers);
  EXPECT_FALSE(sink_.had_trailers);
  flow_.Resume();
  EXPECT_TRUE(upper.had_trailers);
  EXPECT_EQ(sink_.sent, "ABC");
  EXPECT_TRUE(sink_.had_trailers);
}

TEST_F(BodyFlowTest, AStageGetsTrailersOnlyWhenTheStagesBeforeItHavePassedOnTheBody) {
  AddUpperCase(1);
  UpperCaseStage& second = AddUpperCase();
  Join();
  Receive("abc");
  ReceiveTrailers();
  EXPECT_EQ(sink_.sent, "A");
  EXPECT_FALSE(second.had_trailers);
  flow_.Resume();
  EXPECT_TRUE(second.had_trailers);
  EXPECT_EQ(sink_.sent, "ABC");
}

TEST_F(BodyFlowTest, TrailersThatCameBeforeTheStagesPassThem) {
  Retries retries(slab_);
  flow_.KeepFor(&retries, 100);
  flow_.From(&source_);
  ReceiveTrailers();
  UpperCaseStage& upper = AddUpperCase();
  flow_.To(&sink_);
  EXPECT_FALSE(flow_.sent());
  flow_.Replay();
  EXPECT_TRUE(upper.had_trailers);
  EXPECT_TRUE(sink_.had_trailers);
  EXPECT_TRUE(flow_.sent());
}

TEST_F(BodyFlowTest, AnEmptyBodyIsSentOnceThereIsASink) {
  flow_.From(&source_);
  flow_.SetEmpty();
  EXPECT_FALSE(flow_.sent());
  flow_.To(&sink_);
  EXPECT_TRUE(flow_.sent());
  flow_.To(nullptr);
  EXPECT_FALSE(flow_.sent());
}

// It may be what has called Resume.
TEST_F(BodyFlowTest, StagesOutliveTheEndOfTheFlow) {
  struct Stage final : BodyStage {
    explicit Stage(bool& flag) : alive(flag) { alive = true; }
    ~Stage() override { alive = false; }
    Next OnBody(Buffer& in, bool, Buffer&) override {
      return in.empty() ? Next::kMore : Next::kPause;
    }
    bool& alive;
  };
  bool alive = false;
  {
    BodyFlow flow(*this, slab_);
    flow.AddStage(std::make_unique<Stage>(alive));
    flow.From(&source_);
    flow.To(&sink_);
    flow.Close();
    flow.Resume();
    EXPECT_TRUE(alive);
  }
  EXPECT_FALSE(alive);
  EXPECT_EQ(told_, 0);
}

TEST_F(BodyFlowTest, WhatWasSentIsReplayedToTheNextSinkBehindTheStages) {
  Retries retries(slab_);
  retries.Allow(1);
  flow_.KeepFor(&retries, 100);
  AddUpperCase();
  Join();
  Receive("abc");
  flow_.To(nullptr);
  Receive("def", true);  // between two attempts: held
  FakeStream next;
  flow_.To(&next);
  EXPECT_FALSE(flow_.AllSent());
  flow_.Replay();
  EXPECT_EQ(next.sent, "ABCDEF");
  EXPECT_TRUE(next.ended);
}

TEST_F(BodyFlowTest, ABodyMadeHereWaitsForRoomAfterItsFirstPiece) {
  flow_.To(&sink_);
  Numbers numbers(40'000);
  flow_.From(numbers);
  const size_t first = sink_.sent.size();
  EXPECT_GT(first, 0u);
  EXPECT_LT(first, 20'000u);
  EXPECT_FALSE(flow_.sent());
  sink_.room = 100;
  flow_.Pull();
  EXPECT_EQ(sink_.sent.size(), first + 100);
  sink_.room = 1'000'000;
  flow_.Pull();
  EXPECT_EQ(sink_.sent.size(), 40'000u);
  EXPECT_TRUE(flow_.sent());
}

TEST_F(BodyFlowTest, AfterAnUpgradeBytesFollowPastTheStages) {
  AddUpperCase();
  Join();
  Receive("", true);
  flow_.Reopen();
  EXPECT_FALSE(flow_.sent());
  Receive("bytes", true);
  EXPECT_EQ(sink_.sent, "bytes");
  EXPECT_TRUE(flow_.sent());
}

}  // namespace
}  // namespace tulle::proxy
