#include "control-plane/insight/questions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control-plane/insight/fake_sidecar_for_test.h"
#include "net/loop/sim/simulation.h"

namespace tulle::insight {
namespace {

using std::chrono::milliseconds;

class QuestionsTest : public testing::Test {
 protected:
  bool Ask(
      const Questions::Chosen& whom = [](const Respondent&) { return true; },
      const std::string& caller = "ann") {
    v1::Question question;
    *question.mutable_find() = wanted_;
    return questions_.Ask(caller, whom, question, [this](Questions::Outcome outcome) {
      ++finished_;
      outcome_ = std::move(outcome);
    });
  }
  void Pass(milliseconds time) { simulation_.RunFor(time); }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  Respondents respondents_;
  Questions questions_{*loop_, respondents_};
  FakeSidecar web_{respondents_, "web"};
  FakeSidecar cart_{respondents_, "cart"};
  v1::RequestFilter wanted_;
  int finished_ = 0;
  Questions::Outcome outcome_;
};

TEST_F(QuestionsTest, EndsWhenAllHaveAnswered) {
  ASSERT_TRUE(Ask());
  web_.Answer({"1"}, false);
  web_.Answer({"2"});
  EXPECT_EQ(finished_, 0);
  cart_.Answer({"3"});
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(outcome_.asked, 2u);
  EXPECT_EQ(outcome_.answered, 2u);
  EXPECT_EQ(outcome_.requests.size(), 3u);
  cart_.Answer({"4"});  // to nothing
  EXPECT_EQ(finished_, 1);
}

TEST_F(QuestionsTest, WhoDoesNotAnswerIsWaitedForTwoSeconds) {
  ASSERT_TRUE(Ask());
  web_.Answer({"1"});
  Pass(milliseconds(1900));
  EXPECT_EQ(finished_, 0);
  Pass(milliseconds(200));
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(outcome_.asked, 2u);
  EXPECT_EQ(outcome_.answered, 1u);
  EXPECT_EQ(outcome_.requests.size(), 1u);
}

TEST_F(QuestionsTest, WhoLeavesHasNotAnswered) {
  ASSERT_TRUE(Ask());
  web_.Answer({"1"});
  cart_.Leave();
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(outcome_.answered, 1u);
}

TEST_F(QuestionsTest, AnErrorIsNoAnswer) {
  ASSERT_TRUE(Ask());
  web_.Answer({"1"});
  v1::Answer refusal;
  refusal.set_question(cart_.received.back().question().id());
  refusal.set_error("unknown\nquestion");
  cart_.Reply(refusal);
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(outcome_.answered, 1u);
  EXPECT_EQ(outcome_.errors, std::vector<std::string>{"unknown question"});
}

TEST_F(QuestionsTest, ASidecarThatTakesNothingIsNotWaitedFor) {
  cart_.has_room = false;
  ASSERT_TRUE(Ask());
  web_.Answer({});
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(outcome_.asked, 2u);
}

TEST_F(QuestionsTest, OneMayBeAskedAlone) {
  ASSERT_TRUE(Ask([](const Respondent& each) { return each.proxy() == "cart"; }));
  EXPECT_TRUE(web_.received.empty());
  cart_.Answer({});
  EXPECT_EQ(outcome_.asked, 1u);
  ASSERT_TRUE(Ask([](const Respondent&) { return false; }));
  EXPECT_EQ(finished_, 2) << "nobody is asked";
  EXPECT_EQ(outcome_.asked, 0u);
}

TEST_F(QuestionsTest, AnswersComeFromWhoWasAsked) {
  ASSERT_TRUE(Ask([](const Respondent& each) { return each.proxy() == "cart"; }));
  v1::Answer forged;
  forged.set_question(cart_.received.back().question().id());
  forged.add_requests()->set_request_id("forged");
  forged.set_is_last(true);
  web_.Reply(forged);
  EXPECT_EQ(finished_, 0);
  cart_.Answer({"1"});
  ASSERT_EQ(outcome_.requests.size(), 1u);
  EXPECT_EQ(outcome_.requests[0].request_id(), "1");
}

TEST_F(QuestionsTest, ThereAreFewAtATimeAndFewerOfOneCaller) {
  const auto all = [](const Respondent&) { return true; };
  for (size_t i = 0; i < Questions::kMostOfCaller; ++i) EXPECT_TRUE(Ask(all, "ann"));
  EXPECT_FALSE(Ask(all, "ann"));
  for (size_t i = Questions::kMostOfCaller; i < Questions::kMostAtATime; ++i)
    EXPECT_TRUE(Ask(all, "bob"));
  EXPECT_FALSE(Ask(all, "eve"));
  Pass(milliseconds(2100));
  EXPECT_EQ(finished_, static_cast<int>(Questions::kMostAtATime));
  EXPECT_TRUE(Ask());
}

TEST_F(QuestionsTest, OneSidecarCannotFillTheMemory) {
  wanted_.set_limit(1000);
  ASSERT_TRUE(Ask());
  v1::Answer large;
  large.set_question(web_.received.back().question().id());
  for (int i = 0; i < 400; ++i) large.add_requests()->set_detail(std::string(1024, 'x'));
  for (int i = 0; i < 100; ++i) web_.Reply(large);
  web_.Answer({"last"});
  cart_.Answer({"1"});
  EXPECT_LE(outcome_.requests.size(), Questions::kMostRecords);
  EXPECT_GT(outcome_.left_out, 30'000u);
  size_t bytes = 0;
  for (const auto& record : outcome_.requests) bytes += record.SpaceUsedLong();
  EXPECT_LE(bytes, Questions::kMostBytesOfOne + 4096);
}

TEST_F(QuestionsTest, ManyAreAskedInSeveralTurns) {
  std::vector<std::unique_ptr<FakeSidecar>> crowd;
  for (int i = 0; i < 600; ++i) {
    crowd.push_back(std::make_unique<FakeSidecar>(respondents_, "s" + std::to_string(i)));
    FakeSidecar* sidecar = crowd.back().get();
    sidecar->on_message = [sidecar](const v1::ToSidecar&) { sidecar->Answer({"1"}); };
  }
  web_.Leave();
  cart_.Leave();
  ASSERT_TRUE(Ask());
  EXPECT_EQ(finished_, 0);
  Pass(milliseconds(100));
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(outcome_.answered, 600u);
}

v1::Answer AnswerTo(const FakeSidecar& sidecar) {
  v1::Answer answer;
  answer.set_question(sidecar.received.back().question().id());
  answer.set_is_last(true);
  return answer;
}

TEST_F(QuestionsTest, WhatWasNotAskedForIsDropped) {
  wanted_.set_id("1");
  ASSERT_TRUE(Ask());
  web_.Answer({"other", "1", "another"});
  cart_.Answer({});
  ASSERT_EQ(outcome_.requests.size(), 1u);
  EXPECT_EQ(outcome_.requests[0].request_id(), "1");
  EXPECT_EQ(outcome_.left_out, 0u);

  v1::Question question;
  question.mutable_config()->set_kind("routes");
  ASSERT_TRUE(questions_.Ask(
      "ann", [](const Respondent&) { return true; }, question,
      [this](Questions::Outcome outcome) { outcome_ = std::move(outcome); }));
  web_.Answer({"1"});
  v1::Answer text = AnswerTo(cart_);
  text.set_text("{}");
  cart_.Reply(text);
  EXPECT_TRUE(outcome_.requests.empty());
  EXPECT_EQ(outcome_.text, "{}");
}

TEST_F(QuestionsTest, ASidecarSendsNoMoreThanItWasAskedFor) {
  wanted_.set_limit(3);
  ASSERT_TRUE(Ask());
  web_.Answer({"1", "2", "3", "4", "5"});
  cart_.Answer({"6"});
  EXPECT_EQ(outcome_.requests.size(), 4u);
  EXPECT_EQ(outcome_.left_out, 2u);
}

TEST_F(QuestionsTest, ManyLateRecordsOfOneIdentityLeaveThoseOfOthers) {
  wanted_.set_limit(1000);
  ASSERT_TRUE(Ask());
  const auto answer = [](FakeSidecar& sidecar, int records, int64_t from) {
    v1::Answer all = AnswerTo(sidecar);
    for (int i = 0; i < records; ++i) {
      v1::RequestRecord& record = *all.add_requests();
      record.set_destination(sidecar.spiffe_id());
      record.set_started_micros(from + i);
    }
    sidecar.Reply(all);
  };
  answer(web_, 1000, 5'000'000);
  answer(cart_, 50, 0);
  EXPECT_EQ(outcome_.requests.size(), Questions::kMostRecords);
  EXPECT_EQ(outcome_.left_out, 50u);
  EXPECT_EQ(
      std::count_if(outcome_.requests.begin(), outcome_.requests.end(),
                    [&](const auto& record) { return record.destination() == cart_.spiffe_id(); }),
      50);
  EXPECT_EQ(outcome_.requests.back().started_micros(), 0) << "newest first";
}

TEST_F(QuestionsTest, ItEndsWhenThereIsAsMuchAsMayBe) {
  wanted_.set_limit(1000);
  std::vector<std::unique_ptr<FakeSidecar>> crowd;
  for (int i = 0; i < 20; ++i)
    crowd.push_back(std::make_unique<FakeSidecar>(respondents_, "s" + std::to_string(i)));
  ASSERT_TRUE(Ask());
  for (const auto& each : crowd) {
    v1::Answer large = AnswerTo(*each);
    for (int i = 0; i < 1000; ++i) large.add_requests()->set_detail(std::string(1024, 'x'));
    each->Reply(large);
  }
  EXPECT_EQ(finished_, 1) << "nobody waits for the rest";
  EXPECT_EQ(outcome_.asked, 22u);
  EXPECT_LT(outcome_.answered, 20u);
}

TEST_F(QuestionsTest, EachOfManyIsAskedForLess) {
  wanted_.set_limit(1000);
  std::vector<std::unique_ptr<FakeSidecar>> crowd;
  ASSERT_TRUE(Ask());
  EXPECT_EQ(web_.received.back().question().find().limit(), 1000u);
  Pass(milliseconds(2100));
  for (int i = 0; i < 498; ++i)
    crowd.push_back(std::make_unique<FakeSidecar>(respondents_, "s" + std::to_string(i)));
  ASSERT_TRUE(Ask());
  Pass(milliseconds(2100));
  EXPECT_EQ(web_.received.back().question().find().limit(), 100u);
  for (int i = 0; i < 4000; ++i)
    crowd.push_back(std::make_unique<FakeSidecar>(respondents_, "t" + std::to_string(i)));
  ASSERT_TRUE(Ask());
  Pass(milliseconds(2100));
  EXPECT_EQ(web_.received.back().question().find().limit(), Questions::kLeastOfOne);
}

TEST_F(QuestionsTest, WhoHasAskedManySidecarsWaits) {
  std::vector<std::unique_ptr<FakeSidecar>> crowd;
  for (int i = 0; i < 998; ++i) {
    crowd.push_back(std::make_unique<FakeSidecar>(respondents_, "s" + std::to_string(i)));
    FakeSidecar* sidecar = crowd.back().get();
    sidecar->on_message = [sidecar](const v1::ToSidecar&) { sidecar->Answer({}); };
  }
  for (FakeSidecar* sidecar : {&web_, &cart_})
    sidecar->on_message = [sidecar](const v1::ToSidecar&) { sidecar->Answer({}); };
  const auto all = [](const Respondent&) { return true; };
  int asked = 0;
  while (asked < 100 && Ask(all, "ann")) {
    ++asked;
    Pass(milliseconds(20));
  }
  EXPECT_GE(asked, 20);
  EXPECT_LE(asked, 25);
  EXPECT_TRUE(Ask(all, "bob")) << "others need not";
  Pass(milliseconds(1000));
  EXPECT_TRUE(Ask(all, "ann"));
}

}  // namespace
}  // namespace tulle::insight
