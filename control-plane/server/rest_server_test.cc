// Bounds of request bodies: their size, their time, and all of them together.
#include "control-plane/server/rest_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"

namespace tulle::server {
namespace {

using std::chrono::seconds;

// Sends bytes, and keeps what comes back.
class Caller final : private TransportEvents {
 public:
  Caller(loop::Loop& loop, const SocketAddress& to, const std::string& bytes)
      : loop_(loop), unsent_(loop.slab()), transport_(PlainConnector().Connect(loop, to, {})) {
    unsent_.Append(bytes);
    transport_->SetEvents(this);
  }
  ~Caller() override { transport_->Close(true); }
  const std::string& answer() const { return answer_; }

 private:
  void OnTransportReady() override {
    transport_->EnableRead(true);
    transport_->Write(unsent_);
  }
  void OnTransportReadable() override {
    Buffer read(loop_.slab());
    transport_->Read(read, 64 * 1024);
    answer_ += read.ToString();
  }
  void OnTransportWritable() override { transport_->Write(unsent_); }
  void OnTransportFailed(Failure) override {}

  loop::Loop& loop_;
  Buffer unsent_;
  std::unique_ptr<Transport> transport_;
  std::string answer_;
};

class RestServerTest : public ::testing::Test, private loop::ListenerEvents {
 protected:
  RestServerTest() {
    int error = 0;
    listener_ = loop_->Listen(at_, {}, *this, &error);
  }
  void Serve(const RestLimits& limits) {
    server_.emplace(
        *loop_,
        [this](const api::ApiRequest& head) {
          if (head.account_token == "unknown" && !is_known_) {
            RestVerdict verdict{RestAnswer{503, "not known yet"}};
            verdict.ask = [this](const std::string&, std::function<void()> again) {
              asked_.push_back(std::move(again));
            };
            return verdict;
          }
          if (head.content_type == "application/json") return RestVerdict{std::nullopt, true};
          return RestVerdict{RestAnswer{415, "no"}};
        },
        [this](const api::ApiRequest& request) {
          if (request.path == "/later") return Later();
          return RestAnswer{200, absl::StrCat("read ", request.body.size())};
        },
        limits);
  }
  RestAnswer Later() {
    RestAnswer answer;
    answer.later = [this](std::function<void(RestAnswer)> respond) {
      if (answers_at_once_) return respond(RestAnswer{200, "at once"});
      awaited_.push_back(std::move(respond));
    };
    return answer;
  }
  std::unique_ptr<Caller> AskForLater() {
    return std::make_unique<Caller>(
        *callers_, at_, "GET /later HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\r\n");
  }
  bool Waits(size_t answers) {
    return simulation_.RunUntil([&] { return awaited_.size() == answers; }, seconds(5)) ==
           sim::Simulation::Outcome::kConditionMet;
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    server_->Adopt(PlainAcceptor().Accept(*loop_, std::move(socket)), nullptr);
  }
  // A POST of a caller who must be asked for elsewhere, with its body at once.
  std::unique_ptr<Caller> PostAsUnknown() {
    return std::make_unique<Caller>(
        *callers_, at_,
        "POST / HTTP/1.1\r\nhost: x\r\nX-Tulle-Token: unknown\r\ncontent-type: application/json"
        "\r\ncontent-length: 3\r\n\r\nabc");
  }
  // A POST that announces `length` bytes and sends `sent`.
  std::unique_ptr<Caller> Post(size_t length, size_t sent,
                               const std::string& type = "application/json") {
    return PostFrom(*callers_, length, sent, type);
  }
  std::unique_ptr<Caller> PostFrom(loop::Loop& loop, size_t length, size_t sent,
                                   const std::string& type = "application/json") {
    return std::make_unique<Caller>(
        loop, at_,
        absl::StrCat("POST / HTTP/1.1\r\nhost: x\r\ncontent-type: ", type,
                     "\r\ncontent-length: ", length, "\r\n\r\n", std::string(sent, ' ')));
  }
  bool Answers(const std::vector<std::unique_ptr<Caller>>& callers, const std::string& status) {
    return simulation_.RunUntil(
               [&] {
                 for (const auto& caller : callers) {
                   if (absl::StartsWith(caller->answer(), "HTTP/1.1 " + status)) return true;
                 }
                 return false;
               },
               seconds(60)) == sim::Simulation::Outcome::kConditionMet;
  }
  bool Answers(std::unique_ptr<Caller> caller, const std::string& status) {
    std::vector<std::unique_ptr<Caller>> one;
    one.push_back(std::move(caller));
    return Answers(one, status);
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  std::unique_ptr<loop::Loop> callers_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.2"}));
  std::unique_ptr<loop::Loop> other_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.3"}));
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.1:80");
  std::unique_ptr<loop::Listener> listener_;
  std::optional<RestServer> server_;
  bool is_known_ = false;
  std::vector<std::function<void()>> asked_;
  bool answers_at_once_ = false;
  std::vector<std::function<void(RestAnswer)>> awaited_;
};

TEST_F(RestServerTest, AnAnnouncedBodyThatIsTooLargeIsRefusedAtOnce) {
  Serve({1000, seconds(5)});
  EXPECT_TRUE(Answers(Post(1000, 1000), "200"));
  EXPECT_TRUE(Answers(Post(1001, 0), "413"));
}

TEST_F(RestServerTest, ABodyMustArriveInTime) {
  Serve({1000, seconds(5)});
  const loop::Instant start = callers_->Now();
  EXPECT_TRUE(Answers(Post(1000, 999), "408"));
  EXPECT_LT(callers_->Now() - start, seconds(7));
}

TEST_F(RestServerTest, TheHeadDecidesWhetherABodyIsRead) {
  Serve({1000, seconds(5)});
  EXPECT_TRUE(Answers(Post(1000, 0, "text/plain"), "415"));
}

TEST_F(RestServerTest, ARequestWaitsUntilItIsKnownWhoCalls) {
  Serve({1000, seconds(5)});
  auto caller = PostAsUnknown();
  ASSERT_EQ(simulation_.RunUntil([&] { return !asked_.empty(); }, seconds(5)),
            sim::Simulation::Outcome::kConditionMet);
  EXPECT_EQ(caller->answer(), "");
  is_known_ = true;
  asked_[0]();
  ASSERT_TRUE(Answers(std::move(caller), "200"));
  // Whoever asks twice is told so, and is not asked for again.
  is_known_ = false;
  caller = PostAsUnknown();
  ASSERT_EQ(simulation_.RunUntil([&] { return asked_.size() == 2; }, seconds(5)),
            sim::Simulation::Outcome::kConditionMet);
  asked_[1]();
  ASSERT_TRUE(Answers(std::move(caller), "503"));
  EXPECT_EQ(asked_.size(), 2);
}

TEST_F(RestServerTest, ACallerWhoLeavesIsForgotten) {
  Serve({1000, seconds(5)});
  auto caller = PostAsUnknown();
  ASSERT_EQ(simulation_.RunUntil([&] { return !asked_.empty(); }, seconds(5)),
            sim::Simulation::Outcome::kConditionMet);
  caller.reset();
  simulation_.RunFor(seconds(1));
  is_known_ = true;
  asked_[0]();
  EXPECT_EQ(simulation_.RunUntil([&] { return server_->connections() == 0; }, seconds(5)),
            sim::Simulation::Outcome::kConditionMet);
  is_known_ = false;
  caller = PostAsUnknown();
  ASSERT_EQ(simulation_.RunUntil([&] { return asked_.size() == 2; }, seconds(5)),
            sim::Simulation::Outcome::kConditionMet);
  server_.reset();
  asked_[1]();
}

TEST_F(RestServerTest, AnAnswerMayComeLater) {
  Serve({});
  auto caller = AskForLater();
  ASSERT_TRUE(Waits(1));
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(caller->answer(), "");
  awaited_[0](RestAnswer{201, "late"});
  EXPECT_TRUE(Answers(std::move(caller), "201"));
  answers_at_once_ = true;
  EXPECT_TRUE(Answers(AskForLater(), "200"));
}

TEST_F(RestServerTest, ALateAnswerForACallerWhoHasLeftIsDropped) {
  Serve({.most_later = 1});
  auto caller = AskForLater();
  ASSERT_TRUE(Waits(1));
  EXPECT_TRUE(Answers(AskForLater(), "503")) << "one is awaited already";
  caller.reset();
  simulation_.RunFor(seconds(1));
  caller = AskForLater();
  ASSERT_TRUE(Waits(2)) << "the first has left its place";
  awaited_[0](RestAnswer{200, "for nobody"});
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(caller->answer(), "");
  server_.reset();
  awaited_[1](RestAnswer{200, "for nobody"});
}

TEST_F(RestServerTest, ARequestThatFindsNoPlaceInTheQueueIsRefused) {
  Serve({1000, seconds(5), {.most = 4, .most_of_one = 0}});
  EXPECT_TRUE(Answers(Post(1000, 1000), "429"));
  Serve({1000, seconds(5), {.most = 1, .most_of_one = 1}});
  EXPECT_TRUE(Answers(Post(1000, 1000), "200"));
  EXPECT_TRUE(Answers(Post(1000, 0, "text/plain"), "415"));
}

TEST_F(RestServerTest, ConnectionsOfIdentifiedCallersAreLimited) {
  const auto stay = [this](RestLimits limits) {
    Serve(limits);
    std::vector<std::unique_ptr<Caller>> open;
    for (int i = 0; i < 300; ++i) open.push_back(Post(3, 3));
    simulation_.RunFor(seconds(1));
    const auto refused = std::count_if(open.begin(), open.end(), [](const auto& caller) {
      return absl::StartsWith(caller->answer(), "HTTP/1.1 503");
    });
    open.clear();
    simulation_.RunFor(seconds(1));
    return refused;
  };
  EXPECT_EQ(stay({1000, seconds(5)}), 300 - 256);
  EXPECT_EQ(stay({.body_bytes = 1000, .most_identified = SIZE_MAX}), 0);
}

// Bodies that are held back must not keep others from being served.
TEST_F(RestServerTest, WhenAllBodiesAreTooLargeTogetherTheLargestEnds) {
  Serve({size_t{4} << 20, seconds(30)});
  std::vector<std::unique_ptr<Caller>> slow;
  for (int i = 0; i < 9; ++i) slow.push_back(Post(size_t{4} << 20, (size_t{4} << 20) - 1));
  EXPECT_TRUE(Answers(slow, "503"));
  EXPECT_TRUE(Answers(Post(5000, 5000), "200"));
}

// The API server's review is larger than any of those that a stranger holds back.
TEST_F(RestServerTest, WhoFloodsThePortMakesRoomForOthers) {
  Serve({size_t{4} << 20, seconds(30)});
  std::vector<std::unique_ptr<Caller>> slow;
  for (int i = 0; i < 60; ++i) slow.push_back(Post(size_t{4} << 20, size_t{1} << 19));
  simulation_.RunFor(seconds(5));
  EXPECT_TRUE(Answers(PostFrom(*other_, size_t{3} << 20, size_t{3} << 20), "200"));
  EXPECT_TRUE(Answers(slow, "503"));
}

}  // namespace
}  // namespace tulle::server
