#include "control-plane/insight/questions.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

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
    question.mutable_find()->set_id("x");
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

}  // namespace
}  // namespace tulle::insight
