#include "sidecar/insight/questions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "net/base/arena.h"
#include "net/http/head.h"
#include "net/loop/sim/simulation.h"
#include "sidecar/insight/config_answers.h"
#include "sidecar/insight/failed_requests.h"
#include "sidecar/insight/find_requests.h"
#include "sidecar/insight/log_level_answers.h"
#include "sidecar/insight/request_taps.h"

namespace tulle::sidecar {
namespace {

using insight::v1::Answer;
using insight::v1::Question;
using recorder::Text;
using std::chrono::milliseconds;
using std::chrono::seconds;
using telemetry::LogComponent;
using telemetry::LogLevel;

class QuestionsTest : public testing::Test, protected Replies {
 protected:
  QuestionsTest() {
    const OwnIdentity own = [] { return std::string("spiffe://mesh/ns/shop/sa/web"); };
    questions_.Add(Question::kFind, std::make_unique<FindRequests>(recorder_, own));
    questions_.Add(Question::kTap, std::make_unique<RequestTaps>(*loop_, recorder_, own));
    questions_.Add(Question::kLogLevel, std::make_unique<LogLevelAnswers>(*loop_, log_));
    questions_.Add(Question::kConfig, std::make_unique<ConfigAnswers>([](std::string_view kind) {
                     if (kind == "none") return std::optional<std::string>();
                     return std::optional(std::string(kind == "large" ? 600'000 : 2, '{'));
                   }));
  }
  ~QuestionsTest() override { questions_.OnStreamEnd(); }

  void Send(Answer answer) override { answers_.push_back(std::move(answer)); }
  bool HasRoom() const override { return room_; }

  void Ask(const Question& question) { questions_.OnQuestion(question, *this); }
  static Question Tap(uint32_t id, uint32_t limit = 0) {
    Question question;
    question.set_id(id);
    question.mutable_tap()->set_limit(limit);
    return question;
  }
  // Of the requests of a worker.
  static constexpr uint64_t kExplained = 40;
  uint64_t Record(std::string_view path, int worker = 0, uint16_t marks = 0) {
    return recorder_.worker(worker).ring.Write([&](recorder::RecordWriter& writer) {
      recorder::Numbers numbers;
      numbers.wall_started = ++clock_;
      numbers.marks = marks;
      writer.PutNumbers(numbers);
      writer.Put<Text::kPath>(path);
    });
  }
  void Fail(std::string_view path, int worker = 0) {
    recorder::Ring& one = recorder_.worker(worker).ring;
    const uint64_t number = Record(path, worker, recorder::kFailed);
    one.CountFailed();
    if (number >= kExplained) return;
    one.Explain([](recorder::ExplanationWriter& writer) {
      writer.Add({recorder::DecisionKind::kRoute, false, "r", "why not"});
    });
  }
  void Pass(loop::Duration time) { simulation_.RunFor(time); }
  Answer Only() {
    EXPECT_EQ(answers_.size(), 1u);
    Answer answer = answers_.empty() ? Answer() : answers_.front();
    answers_.clear();
    return answer;
  }

  sim::Simulation simulation_{5};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  telemetry::Log log_{LogLevel::kInfo, telemetry::Log::Form::kText};
  recorder::FlightRecorder recorder_{2};
  int64_t clock_ = 0;
  Questions questions_;
  bool room_ = true;
  std::vector<Answer> answers_;
};

TEST_F(QuestionsTest, UnknownKindsAreAnsweredWithAnError) {
  Question question;
  question.set_id(7);
  question.mutable_what_if();
  Ask(question);
  const Answer answer = Only();
  EXPECT_EQ(answer.question(), 7u);
  EXPECT_TRUE(answer.is_last());
  EXPECT_NE(answer.error().find("does not know this kind of question"), std::string::npos);
}

TEST_F(QuestionsTest, AQuestionWithoutAnIdIsRefused) {
  Ask(Tap(0));
  EXPECT_EQ(Only().error(), "a question needs an id that is not 0");
}

TEST_F(QuestionsTest, FindsRequestsThatHaveEnded) {
  Record("/a");
  Record("/b", 1);
  Record("/bb");
  Question question;
  question.set_id(1);
  question.mutable_find()->set_path_prefix("/b");
  Ask(question);
  const Answer answer = Only();
  EXPECT_TRUE(answer.is_last());
  ASSERT_EQ(answer.requests_size(), 2);
  EXPECT_EQ(answer.requests(0).path(), "/bb");
  EXPECT_EQ(answer.requests(1).path(), "/b");
  EXPECT_EQ(answer.left_out(), 0u);
}

TEST_F(QuestionsTest, AnAnswerHasABoundedNumberOfRequests) {
  for (int i = 0; i < 150; ++i) Record("/");
  Question question;
  question.set_id(1);
  question.mutable_find();
  Ask(question);
  Answer answer = Only();
  EXPECT_EQ(answer.requests_size(), 100);
  EXPECT_EQ(answer.left_out(), 50u);
  question.mutable_find()->set_limit(10);
  Ask(question);
  answer = Only();
  EXPECT_EQ(answer.requests_size(), 10);
  question.mutable_find()->set_limit(1'000'000);
  Ask(question);
  EXPECT_EQ(Only().error(), "limit: at most 1000");
}

TEST_F(QuestionsTest, AnAnswerHasABoundedSize) {
  for (int i = 0; i < 1000; ++i) Record("/" + std::string(400, 'x'));
  Question question;
  question.set_id(1);
  question.mutable_find()->set_limit(1000);
  Ask(question);
  const Answer answer = Only();
  EXPECT_LT(answer.ByteSizeLong(), 300u * 1024);
  EXPECT_GT(answer.requests_size(), 500);
  EXPECT_EQ(answer.requests_size() + answer.left_out(), 1000u);
}

TEST_F(QuestionsTest, ATapSendsWhatEndsFromNowOn) {
  Record("/before");
  Ask(Tap(3));
  EXPECT_TRUE(answers_.empty());
  Record("/one");
  Record("/two", 1);
  Pass(milliseconds(250));
  const Answer answer = Only();
  EXPECT_EQ(answer.question(), 3u);
  EXPECT_FALSE(answer.is_last());
  ASSERT_EQ(answer.requests_size(), 2);
  EXPECT_EQ(answer.requests(0).path(), "/one");
  EXPECT_EQ(answer.requests(1).path(), "/two");
  Pass(seconds(1));
  EXPECT_TRUE(answers_.empty());
  questions_.OnEnd(3);
  EXPECT_TRUE(Only().is_last());
  Record("/after");
  Pass(seconds(1));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(QuestionsTest, ATapEndsAfterAMinute) {
  Ask(Tap(3));
  Pass(seconds(59));
  EXPECT_TRUE(answers_.empty());
  Pass(seconds(2));
  EXPECT_TRUE(Only().is_last());
}

TEST_F(QuestionsTest, ATapEndsAfterItsNumberOfRequests) {
  Ask(Tap(3, 2));
  for (int i = 0; i < 5; ++i) Record("/");
  Pass(milliseconds(250));
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(answers_[0].requests_size(), 2);
  EXPECT_TRUE(answers_[1].is_last());
}

TEST_F(QuestionsTest, ATapEndsWithItsStream) {
  Ask(Tap(3));
  questions_.OnStreamEnd();
  Record("/");
  Pass(seconds(1));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(QuestionsTest, TapsTogetherSendABoundedNumberASecond) {
  Ask(Tap(1));
  Ask(Tap(2));
  size_t sent = 0;
  size_t left_out = 0;
  for (int i = 0; i < 50; ++i) {
    for (int j = 0; j < 40; ++j) Record("/");
    Pass(milliseconds(200));
  }
  for (const Answer& answer : answers_) {
    sent += static_cast<size_t>(answer.requests_size());
    left_out += answer.left_out();
  }
  EXPECT_GE(sent, 900u);
  EXPECT_LE(sent, 1000u);
  EXPECT_GE(sent + left_out, 3900u);
}

TEST_F(QuestionsTest, ATapWithoutRoomCounts) {
  Ask(Tap(1));
  room_ = false;
  for (int i = 0; i < 7; ++i) Record("/");
  Pass(seconds(1));
  EXPECT_TRUE(answers_.empty());
  room_ = true;
  Pass(seconds(1));
  EXPECT_EQ(Only().left_out(), 7u);
}

TEST_F(QuestionsTest, OnlySoManyTapsAtATime) {
  for (uint32_t id = 1; id <= RequestTaps::kMostTaps; ++id) Ask(Tap(id));
  EXPECT_TRUE(answers_.empty());
  Ask(Tap(9));
  EXPECT_NE(Only().error().find("already has 8 taps"), std::string::npos);
  questions_.OnEnd(1);
  answers_.clear();
  Ask(Tap(9));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(QuestionsTest, FailedRequestsAreReportedOnce) {
  FailedRequests failed(recorder_, [] { return std::string(); });
  insight::v1::FromSidecar report;
  EXPECT_FALSE(failed.AddTo(report));
  Record("/good");
  Fail("/a");
  Fail("/b", 1);
  ASSERT_TRUE(failed.AddTo(report));
  ASSERT_EQ(report.failed_size(), 2);
  EXPECT_EQ(report.failed(0).path(), "/b");
  EXPECT_EQ(report.failed(1).path(), "/a");
  ASSERT_EQ(report.failed(1).decisions_size(), 1);
  EXPECT_EQ(report.failed(1).decisions(0).reason(), "why not");
  EXPECT_EQ(report.failed_left_out(), 0u);
  EXPECT_FALSE(failed.AddTo(report));
}

TEST_F(QuestionsTest, FailedRequestsAreBounded) {
  FailedRequests failed(recorder_, [] { return std::string(); });
  for (int i = 0; i < 100; ++i) Fail("/" + std::to_string(i));
  insight::v1::FromSidecar report;
  ASSERT_TRUE(failed.AddTo(report));
  ASSERT_EQ(report.failed_size(), 20);
  EXPECT_EQ(report.failed(0).path(), "/39");  // the last one within the budget
  EXPECT_EQ(report.failed_left_out(), 80u);
}

TEST_F(QuestionsTest, TheLogLevelIsSetForATime) {
  Question question;
  question.set_id(1);
  question.mutable_log_level();
  Ask(question);
  EXPECT_EQ(Only().text(), "info");
  question.mutable_log_level()->set_level("debug");
  question.mutable_log_level()->set_seconds(10);
  Ask(question);
  EXPECT_EQ(Only().text(), "debug");
  EXPECT_EQ(log_.level(LogComponent::kXds), LogLevel::kDebug);
  Pass(seconds(5));
  question.mutable_log_level()->set_level("error");
  Ask(question);
  Pass(seconds(9));
  EXPECT_EQ(log_.level(LogComponent::kXds), LogLevel::kError);
  Pass(seconds(2));
  EXPECT_EQ(log_.level(LogComponent::kXds), LogLevel::kInfo);
}

TEST_F(QuestionsTest, TheLogLevelOfOneComponentIsSet) {
  Question question;
  question.set_id(1);
  question.mutable_log_level()->set_component("xds");
  question.mutable_log_level()->set_level("debug");
  Ask(question);
  EXPECT_EQ(Only().text(), "debug");
  EXPECT_EQ(log_.level(LogComponent::kXds), LogLevel::kDebug);
  EXPECT_EQ(log_.level(LogComponent::kMain), LogLevel::kInfo);
  question.mutable_log_level()->set_component("disk");
  answers_.clear();
  Ask(question);
  EXPECT_TRUE(Only().error().starts_with("component: must be one of main, ")) << Only().error();
}

TEST_F(QuestionsTest, OtherLogLevelsAreRefused) {
  Question question;
  question.set_id(1);
  question.mutable_log_level()->set_level("loud");
  answers_.clear();
  Ask(question);
  EXPECT_EQ(Only().error(), "level: must be trace, debug, info, warning, error or off");
  question.mutable_log_level()->set_level("debug");
  question.mutable_log_level()->set_seconds(100'000);
  Ask(question);
  EXPECT_EQ(Only().error(), "seconds: at most 86400");
  EXPECT_EQ(log_.level(LogComponent::kMain), LogLevel::kInfo);
}

TEST_F(QuestionsTest, TheConfigurationHasABoundedSize) {
  Question question;
  question.set_id(1);
  question.mutable_config()->set_kind("routes");
  Ask(question);
  EXPECT_EQ(Only().text(), "{{");
  question.mutable_config()->set_kind("large");
  Ask(question);
  EXPECT_EQ(Only().error(),
            "the document has 585 KiB, more than 512 KiB; ask the sidecar's own admin page "
            "/config_dump for it");
  question.mutable_config()->set_kind("none");
  Ask(question);
  EXPECT_EQ(Only().error(), "kind: must be clusters, listeners, routes, endpoints or secrets");
}

class HeaderTaps : public QuestionsTest {
 protected:
  static Question HeaderTap(uint32_t id, insight::v1::HeaderView view, const char* name = nullptr,
                            const char* value = nullptr) {
    Question question = Tap(id);
    question.set_headers(view);
    if (name == nullptr) return question;
    insight::v1::HeaderFilter& condition = *question.mutable_tap()->add_headers();
    condition.set_name(name);
    if (value != nullptr) condition.set_value(value);
    return question;
  }
  // A request ends, as RequestRecorder says.
  void End(std::string_view path, int worker = 0) {
    recorder::WorkerRecorder& one = recorder_.worker(worker);
    const uint64_t number = Record(path, worker);
    if (one.headers.is_on()) one.headers.OnEnd(*one.ring.Read(number), &request_, &response_);
  }
  static std::string Shown(const insight::v1::RequestRecord& record) {
    std::string text;
    for (const auto& header : record.request_headers())
      text += header.name() + "=" + header.value() + (header.redacted() ? "*" : "") + " ";
    return text;
  }

  Arena arena_{loop_->slab()};
  http::Head request_{arena_};
  http::Head response_{arena_};
};

TEST_F(HeaderTaps, ShowHeadersWithoutSecrets) {
  request_.headers.Add("x-user", "ann\x1b[2J<b>");
  request_.headers.Add("Authorization", "Bearer secret");
  request_.headers.Add("referer", "https://shop.example/cart?token=secret");
  response_.headers.Add("Set-Cookie", "id=secret");
  EXPECT_FALSE(recorder_.worker(0).headers.is_on());
  Ask(HeaderTap(1, insight::v1::REDACTED));
  EXPECT_TRUE(recorder_.worker(1).headers.is_on());
  End("/a", 1);
  Pass(milliseconds(250));
  Answer answer = Only();
  ASSERT_EQ(answer.requests_size(), 1);
  EXPECT_EQ(answer.requests(0).path(), "/a");
  EXPECT_EQ(Shown(answer.requests(0)),
            "x-user=ann?[2J<b> Authorization=* referer=https://shop.example/cart?* ");
  EXPECT_EQ(answer.SerializeAsString().find("secret"), std::string::npos);
  questions_.OnEnd(1);
  EXPECT_FALSE(recorder_.worker(0).headers.is_on());
  answers_.clear();

  Ask(HeaderTap(2, insight::v1::ALL_VALUES));
  End("/b");
  Pass(milliseconds(250));
  answer = Only();
  EXPECT_NE(Shown(answer.requests(0)).find("Authorization=Bearer secret "), std::string::npos);
  EXPECT_EQ(answer.requests(0).response_headers(0).value(), "id=secret");
}

TEST_F(HeaderTaps, LookForHeaders) {
  Ask(HeaderTap(1, insight::v1::NO_HEADERS, "X-User", "ann"));
  request_.headers.Add("x-user", "bob");
  End("/bob");
  request_.headers.Add("x-user", "ann");
  End("/ann");
  Pass(milliseconds(250));
  const Answer answer = Only();
  ASSERT_EQ(answer.requests_size(), 1);
  EXPECT_EQ(answer.requests(0).path(), "/ann");
  EXPECT_EQ(answer.requests(0).request_headers_size(), 0) << "they were not asked for";
}

TEST_F(HeaderTaps, SecretsCannotBeGuessed) {
  Ask(HeaderTap(1, insight::v1::REDACTED, "authorization", "Bearer a"));
  EXPECT_NE(Only().error().find("may be a secret"), std::string::npos);
  Ask(HeaderTap(2, insight::v1::REDACTED, "authorization"));
  EXPECT_TRUE(answers_.empty());
  Ask(HeaderTap(3, insight::v1::ALL_VALUES, "authorization", "Bearer a"));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(HeaderTaps, AreBounded) {
  const std::string name(200, 'n');
  const std::string value(1000, 'v');
  for (int i = 0; i < 100; ++i) request_.headers.Add(name, value);
  Ask(HeaderTap(1, insight::v1::REDACTED));
  for (int i = 0; i < 150; ++i) End("/");
  Pass(milliseconds(250));
  const Answer answer = Only();
  ASSERT_GT(answer.requests_size(), 0);
  EXPECT_EQ(answer.requests_size() + answer.left_out(), 150u);
  EXPECT_EQ(answer.requests(0).request_headers_size(), 48);
  EXPECT_EQ(answer.requests(0).headers_left_out(), 52u);
  EXPECT_EQ(answer.requests(0).request_headers(0).name().size(), 64u);
  EXPECT_EQ(answer.requests(0).request_headers(0).value().size(), 256u);
  Question many = HeaderTap(2, insight::v1::REDACTED, "a");
  for (int i = 0; i < 4; ++i) many.mutable_tap()->add_headers()->set_name("a");
  answers_.clear();
  Ask(many);
  EXPECT_NE(Only().error().find("at most 4"), std::string::npos);
}

}  // namespace
}  // namespace tulle::sidecar
