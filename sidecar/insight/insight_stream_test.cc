#include "sidecar/insight/insight_stream.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/grpc/server.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "telemetry/families.h"
#include "xds/client/delta_client.h"

namespace tulle::sidecar {
namespace {

using http2::testing::ManualLoop;
using http2::testing::Pipe;
using http2::testing::PipeTransport;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kAds[] =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr char kInsight[] = "/tulle.insight.v1.Insight/Connect";
constexpr char kRoutes[] = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

// One stream of the control plane. It takes messages as the test allows.
struct FarEnd {
  grpc::ServerCall* call = nullptr;  // null: there is none
  std::vector<std::string> messages;
  bool reads = true;
};

class FarHandler final : public grpc::CallHandler {
 public:
  FarHandler(FarEnd& end, grpc::ServerCall& call) : end_(end) {
    end_.call = &call;
    if (end_.reads) call.Read();
  }
  ~FarHandler() override { end_.call = nullptr; }
  void OnMessage(std::string message) override {
    end_.messages.push_back(std::move(message));
    if (end_.reads) end_.call->Read();
  }
  void OnHalfClose() override {}
  void OnCancelled() override {}

 private:
  FarEnd& end_;
};

class EchoAnswers final : public Answerer {
 public:
  void OnQuestion(const insight::v1::Question& question, Replies& replies) override {
    replies.Send(OnlyAnswer(question));
  }
};

class InsightStreamTest : public testing::Test,
                          public xds::UpdateTarget,
                          public xds::AdsClient::Events {
 protected:
  InsightStreamTest() {
    registry_.AddStreaming(kAds, [this](grpc::ServerCall& call) {
      return std::make_unique<FarHandler>(far_ads_, call);
    });
    AddInsight();
    questions_.Add(insight::v1::Question::kLogLevel, std::make_unique<EchoAnswers>());
  }
  ~InsightStreamTest() override {
    insight_.reset();
    ads_.reset();
    server_.reset();
    loop_.Turn();
  }
  void AddInsight() {
    registry_.AddStreaming(kInsight, [this](grpc::ServerCall& call) {
      return std::make_unique<FarHandler>(far_, call);
    });
  }
  void Start() {
    server_.emplace(loop_, registry_, grpc::ServerOptions{});
    ads_.emplace(
        loop_, [this] { return Dial(); }, grpc::ChannelOptions{}, state_, *this);
    InsightStream::Parts parts;
    parts.collect = [this] {
      requests_.HistogramRow(telemetry::kRouteRequestDuration, Labels()).Record(1);
      const telemetry::Registry* all[] = {&requests_};
      return telemetry::Collect(all, TrafficFamilies());
    };
    parts.questions = &questions_;
    parts.dropped = &dropped_;
    insight_.emplace(loop_, *ads_, std::move(parts));
    ads_->Start();
    Run();
  }
  static std::array<std::string_view, telemetry::RouteLabel::kCount> Labels() {
    std::array<std::string_view, telemetry::RouteLabel::kCount> labels;
    labels.fill("x");
    return labels;
  }
  std::unique_ptr<Transport> Dial() {
    Pipe& pipe = *pipes_.emplace_back(std::make_unique<Pipe>(loop_));
    auto far = pipe.TakeEnd(1);
    auto near = pipe.TakeEnd(0);
    PipeTransport* accepted = far.get();
    connecting_ = near.get();
    server_->Adopt(std::move(far));
    accepted->events()->OnTransportReady();
    return near;
  }
  void Run() {
    if (connecting_ != nullptr) std::exchange(connecting_, nullptr)->events()->OnTransportReady();
    for (bool moved = true; moved;) {
      loop_.Turn();
      moved = false;
      for (auto& pipe : pipes_) moved |= pipe->Pump();
    }
    loop_.Turn();
  }
  void Pass(loop::Duration time) {
    loop_.Advance(time);
    Run();
  }
  // More than the control plane takes while it does not read.
  void FillAds() {
    std::set<std::string> names;
    for (int i = 0; i < 20'000; ++i) names.insert("route-with-a-long-name-" + std::to_string(i));
    state_.Subscribe(kRoutes, names);
    ads_->Flush();
    Run();
  }
  void LetAdsRead() {
    far_ads_.reads = true;
    far_ads_.call->Read();
    Run();
  }
  void Ask(uint32_t id) {
    insight::v1::ToSidecar message;
    message.mutable_question()->set_id(id);
    message.mutable_question()->mutable_log_level();
    far_.call->Send(message.SerializeAsString());
    Run();
  }
  // What came since the last call.
  std::vector<insight::v1::FromSidecar> Received() {
    std::vector<insight::v1::FromSidecar> all;
    for (const std::string& bytes : std::exchange(far_.messages, {}))
      EXPECT_TRUE(all.emplace_back().ParseFromString(bytes));
    return all;
  }

  std::vector<xds::Rejection> OnUpdate(const xds::Update&) override { return {}; }
  void OnAdsConnected() override {}
  void OnAdsLost(const std::string&, Failure) override {}

  ManualLoop loop_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
  PipeTransport* connecting_ = nullptr;
  grpc::ServiceRegistry registry_;
  FarEnd far_ads_;
  FarEnd far_;
  xds::DeltaClient state_{"", *this};
  telemetry::Registry requests_;
  telemetry::Counter dropped_;
  Questions questions_;
  std::optional<grpc::Server> server_;
  std::optional<xds::AdsClient> ads_;
  std::optional<InsightStream> insight_;
};

TEST_F(InsightStreamTest, ReportsWhileItIsConnected) {
  Start();
  ASSERT_TRUE(insight_->connected());
  EXPECT_TRUE(Received().empty());
  Pass(seconds(6));
  const auto first = Received();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].traffic().series_size(), 1);
  far_.call->Send([] {
    insight::v1::ToSidecar slower;
    slower.set_report_seconds(100);
    return slower.SerializeAsString();
  }());
  Run();
  Pass(seconds(89));
  EXPECT_TRUE(Received().empty());
  Pass(seconds(22));
  EXPECT_EQ(Received().size(), 1u);
}

TEST_F(InsightStreamTest, AnswersQuestions) {
  Start();
  Ask(7);
  const auto answers = Received();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].answer().question(), 7u);
  EXPECT_EQ(dropped_.value(), 0u);
}

TEST_F(InsightStreamTest, SendsNothingWhileAdsHasSomethingToSend) {
  far_ads_.reads = false;
  Start();
  FillAds();
  ASSERT_TRUE(ads_->has_unsent());
  Ask(1);
  Pass(seconds(6));
  EXPECT_TRUE(Received().empty());
  LetAdsRead();
  ASSERT_FALSE(ads_->has_unsent());
  Pass(milliseconds(100));
  const auto answers = Received();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].answer().question(), 1u);
  // What was not reported comes with the next report.
  Pass(seconds(6));
  EXPECT_EQ(Received().size(), 1u);
}

TEST_F(InsightStreamTest, AnswersBeyondALimitAreDroppedAndCounted) {
  far_ads_.reads = false;
  Start();
  FillAds();
  for (uint32_t id = 1; id <= 10; ++id) Ask(id);
  EXPECT_EQ(dropped_.value(), 2u);
  LetAdsRead();
  Pass(milliseconds(100));
  const auto answers = Received();
  ASSERT_EQ(answers.size(), 8u);
  EXPECT_EQ(answers.front().answer().question(), 1u);
  EXPECT_EQ(answers.back().answer().question(), 8u);
}

TEST_F(InsightStreamTest, WhatCannotBeReadEndsTheStreamAlone) {
  Start();
  far_.call->Send("\xff");
  Run();
  EXPECT_FALSE(insight_->connected());
  EXPECT_TRUE(ads_->connected());
  Pass(seconds(20));
  EXPECT_TRUE(Received().empty());
}

TEST_F(InsightStreamTest, ALostConnectionIsFollowedByAnother) {
  Start();
  server_.reset();
  Run();
  EXPECT_FALSE(insight_->connected());
  server_.emplace(loop_, registry_, grpc::ServerOptions{});
  for (int i = 0; i < 60 && !insight_->connected(); ++i) Pass(seconds(1));
  ASSERT_TRUE(insight_->connected());
  Pass(seconds(6));
  EXPECT_EQ(Received().size(), 1u);
}

class WithoutInsight : public InsightStreamTest {
 protected:
  WithoutInsight() { registry_ = {}; }
};

// A control plane of an older version.
TEST_F(WithoutInsight, IsNotAskedAgain) {
  registry_.AddStreaming(kAds, [this](grpc::ServerCall& call) {
    return std::make_unique<FarHandler>(far_ads_, call);
  });
  Start();
  EXPECT_FALSE(insight_->connected());
  EXPECT_TRUE(ads_->connected());
  AddInsight();
  Pass(seconds(60));
  EXPECT_FALSE(insight_->connected());
}

}  // namespace
}  // namespace tulle::sidecar
