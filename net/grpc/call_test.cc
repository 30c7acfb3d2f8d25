// Our client against our server, in memory.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "net/grpc/server.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"

namespace tulle::grpc {
namespace {

using http2::testing::ManualLoop;
using http2::testing::Pipe;
using http2::testing::PipeTransport;

// Answers each message with itself twice; "bye" ends the call with ABORTED.
class EchoTwice final : public CallHandler {
 public:
  EchoTwice(ServerCall& call, int& cancelled) : call_(call), cancelled_(cancelled) { call_.Read(); }
  void OnMessage(std::string message) override {
    if (message == "bye") return call_.Finish({Code::kAborted, "as you wish"});
    call_.Send(message);
    call_.Send(message);
    call_.Read();
  }
  void OnHalfClose() override { call_.Finish({}); }
  void OnCancelled() override { ++cancelled_; }

 private:
  ServerCall& call_;
  int& cancelled_;
};

class Recorder final : public ClientCallEvents {
 public:
  void OnMessage(std::string message) override {
    messages.push_back(std::move(message));
    if (auto_read) call->Read();
  }
  void OnFinished(const Status& last) override { status = last; }

  std::unique_ptr<ClientCall> call;
  bool auto_read = true;
  std::vector<std::string> messages;
  std::optional<Status> status;
};

class CallTest : public ::testing::Test, public ChannelEvents {
 protected:
  CallTest() {
    registry_.AddStreaming("/t/Twice", [this](ServerCall& call) {
      return std::make_unique<EchoTwice>(call, cancelled_);
    });
    registry_.AddUnary("/t/Upper", [](const ServerCall&, const std::string& request,
                                      std::unique_ptr<UnaryReply> reply) {
      if (request == "fail") return reply->Fail({Code::kNotFound, "caf\xc3\xa9"});
      if (request == "drop") return;
      std::string upper;
      for (const char c : request) upper += static_cast<char>(std::toupper(c));
      reply->Send(upper);
    });
    registry_.AddUnary("/t/Later",
                       [this](const ServerCall&, const std::string&,
                              std::unique_ptr<UnaryReply> reply) { later_ = std::move(reply); });
    server_.emplace(loop_, registry_, ServerOptions{});
    channel_.emplace(
        loop_, [this] { return Dial(); }, ChannelOptions{}, *this);
  }
  ~CallTest() override {
    calls_.clear();
    unary_.clear();
    channel_.reset();
    server_.reset();
    loop_.Turn();
  }

  std::unique_ptr<Transport> Dial() {
    ++dialled_;
    if (!reachable_) return nullptr;
    Pipe& pipe = *pipes_.emplace_back(std::make_unique<Pipe>(loop_));
    auto far = pipe.TakeEnd(1);
    auto near = pipe.TakeEnd(0);
    PipeTransport* accepted = far.get();
    connecting_ = near.get();
    server_->Adopt(std::move(far));
    accepted->events()->OnTransportReady();
    return near;
  }

  void Start() {
    channel_->Start();
    Connected();
  }
  void Connected() {
    std::exchange(connecting_, nullptr)->events()->OnTransportReady();
    Run();
  }
  void Run() {
    bool moved = true;
    while (moved) {
      loop_.Turn();
      moved = false;
      for (auto& pipe : pipes_) moved |= pipe->Pump();
    }
    loop_.Turn();
  }

  Recorder& Call(std::string_view path) {
    Recorder& recorder = *calls_.emplace_back(std::make_unique<Recorder>());
    recorder.call = channel_->NewCall(path, recorder);
    return recorder;
  }

  std::pair<Status, std::string> Unary(std::string_view path, std::string_view request) {
    std::optional<std::pair<Status, std::string>> result;
    unary_.push_back(channel_->NewUnaryCall(path, request, std::chrono::seconds(1),
                                            [&](const Status& status, std::string response) {
                                              result = {status, std::move(response)};
                                            }));
    Run();
    if (!result.has_value()) {
      loop_.Advance(std::chrono::seconds(2));
      Run();
    }
    return result.value_or(std::pair<Status, std::string>(Status{Code::kDataLoss, "silence"}, ""));
  }

  void OnChannelReady() override { ++ready_; }
  void OnChannelLost(Failure) override { ++lost_; }

  ManualLoop loop_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
  ServiceRegistry registry_;
  std::optional<Server> server_;
  std::optional<Channel> channel_;
  std::vector<std::unique_ptr<Recorder>> calls_;
  std::vector<std::unique_ptr<UnaryCall>> unary_;
  std::unique_ptr<UnaryReply> later_;
  PipeTransport* connecting_ = nullptr;
  bool reachable_ = true;
  int dialled_ = 0;
  int ready_ = 0;
  int lost_ = 0;
  int cancelled_ = 0;
};

TEST_F(CallTest, UnaryAnswersAndStatuses) {
  Start();
  EXPECT_EQ(Unary("/t/Upper", "abc").second, "ABC");
  const std::string big(1'000'000, 'x');
  EXPECT_EQ(Unary("/t/Upper", big).second.size(), big.size());
  EXPECT_EQ(Unary("/t/Upper", "fail").first.code, Code::kNotFound);
  EXPECT_EQ(Unary("/t/Upper", "fail").first.message, "caf\xc3\xa9");
  EXPECT_EQ(Unary("/t/Upper", "drop").first.code, Code::kInternal);
  EXPECT_EQ(Unary("/t/None", "").first.code, Code::kUnimplemented);
  EXPECT_EQ(Unary("/t/Later", "").first.code, Code::kDeadlineExceeded);
  later_.reset();  // after the call is gone
  Run();
}

TEST_F(CallTest, AMethodMayTakeSmallerRequestsThanTheServer) {
  registry_.AddUnary(
      "/t/Small",
      [](const ServerCall&, const std::string&, std::unique_ptr<UnaryReply> reply) {
        reply->Send("taken");
      },
      100);
  Start();
  EXPECT_EQ(Unary("/t/Small", std::string(100, 'x')).second, "taken");
  EXPECT_EQ(Unary("/t/Small", std::string(101, 'x')).first.code, Code::kResourceExhausted);
  EXPECT_EQ(Unary("/t/Upper", std::string(101, 'x')).second.size(), 101u);
}

TEST_F(CallTest, BidirectionalStreaming) {
  Start();
  Recorder& call = Call("/t/Twice");
  call.call->Read();
  for (int i = 0; i < 100; ++i) call.call->Send(std::to_string(i));
  Run();
  ASSERT_EQ(call.messages.size(), 200);
  EXPECT_EQ(call.messages[199], "99");
  EXPECT_FALSE(call.status.has_value());
  call.call->HalfClose();
  Run();
  ASSERT_TRUE(call.status.has_value());
  EXPECT_TRUE(call.status->ok());
}

TEST_F(CallTest, AServerMayEndEarly) {
  Start();
  Recorder& call = Call("/t/Twice");
  call.call->Read();
  call.call->Send("x");
  call.call->Send("bye");
  Run();
  EXPECT_EQ(call.messages.size(), 2);
  EXPECT_EQ(call.status->code, Code::kAborted);
  EXPECT_TRUE(call.call->finished());
}

TEST_F(CallTest, NothingIsReadWithoutARequest) {
  Start();
  Recorder& call = Call("/t/Twice");
  call.auto_read = false;
  const std::string large(50'000, 'x');
  for (int i = 0; i < 40; ++i) call.call->Send(large);
  Run();
  EXPECT_EQ(call.messages.size(), 0);
  for (size_t i = 1; i <= 80; ++i) {
    call.call->Read();
    Run();
    ASSERT_EQ(call.messages.size(), i);
  }
}

TEST_F(CallTest, CancellingReachesTheHandler) {
  Start();
  Recorder& call = Call("/t/Twice");
  Run();
  call.call.reset();
  Run();
  EXPECT_EQ(cancelled_, 1);
  EXPECT_FALSE(call.status.has_value());
}

// What a caller has begun it must end: without a deadline, unfinished messages fill the memory.
TEST_F(CallTest, Fault78_AnUnfinishedRequestIsEnded) {
  Start();
  Recorder& unary = Call("/t/Upper");
  unary.call->Send("the end of the stream never comes");
  Recorder& stream = Call("/t/Twice");
  stream.call->Read();
  Run();
  pipes_.front()->from(0).room = 500;
  stream.call->Send(std::string(1000, 'x'));
  Run();
  loop_.Advance(std::chrono::seconds(29));
  Run();
  EXPECT_FALSE(unary.status || stream.status);
  EXPECT_EQ(server_->message_timeouts(), 0u);
  loop_.Advance(std::chrono::seconds(2));
  Run();
  ASSERT_TRUE(unary.status && stream.status);
  EXPECT_EQ(unary.status->code, Code::kDeadlineExceeded);
  EXPECT_EQ(stream.status->code, Code::kDeadlineExceeded);
  EXPECT_EQ(cancelled_, 1) << "the stream's handler";
  EXPECT_EQ(server_->message_timeouts(), 2u);
  EXPECT_EQ(lost_, 0) << "other calls of the connection go on";
}

TEST_F(CallTest, AStreamMayBeSilentBetweenMessages) {
  Start();
  Recorder& call = Call("/t/Twice");
  call.call->Read();
  Run();
  for (size_t i = 1; i <= 3; ++i) {
    loop_.Advance(std::chrono::hours(1));
    Run();
    call.call->Send("x");
    Run();
    EXPECT_EQ(call.messages.size(), 2 * i);
  }
  EXPECT_FALSE(call.status.has_value());
  EXPECT_EQ(server_->message_timeouts(), 0u);
}

TEST_F(CallTest, Fault77_OversizedMessagesAreRefused) {
  Start();
  EXPECT_EQ(Unary("/t/Upper", std::string(17 * 1024 * 1024, 'x')).first.code,
            Code::kResourceExhausted);
}

TEST_F(CallTest, Fault62_TheChannelComesBackWithJitteredBackoff) {
  Start();
  EXPECT_TRUE(channel_->ready());
  Recorder& call = Call("/t/Twice");
  call.call->Read();
  Run();
  reachable_ = false;
  server_.reset();
  Run();
  EXPECT_EQ(call.status->code, Code::kUnavailable);
  EXPECT_EQ(lost_, 1);
  EXPECT_FALSE(channel_->ready());
  // 10 minutes without a server: attempts thin out to one in 15 s on average.
  loop_.Advance(std::chrono::minutes(10));
  EXPECT_GT(dialled_, 25);
  EXPECT_LT(dialled_, 80);
  server_.emplace(loop_, registry_, ServerOptions{});
  reachable_ = true;
  for (int i = 0; i < 31 && connecting_ == nullptr; ++i) loop_.Advance(std::chrono::seconds(1));
  ASSERT_NE(connecting_, nullptr);
  Connected();
  EXPECT_EQ(ready_, 2);
  EXPECT_EQ(Unary("/t/Upper", "abc").second, "ABC");
}

TEST_F(CallTest, AConnectionOfSomeAgeEndsWithItsStreamsIfItMay) {
  bool may_end = false;
  ServerOptions options;
  options.connection_age = std::chrono::seconds(100);
  options.may_end_connection = [&] { return may_end; };
  server_.emplace(loop_, registry_, options);
  Start();
  Recorder& stream = Call("/t/Twice");
  stream.call->Read();
  Run();
  loop_.Advance(std::chrono::seconds(126));
  Run();
  EXPECT_TRUE(channel_->ready());
  EXPECT_FALSE(stream.status.has_value());
  may_end = true;
  loop_.Advance(std::chrono::seconds(126));
  Run();
  ASSERT_TRUE(stream.status.has_value());
  EXPECT_EQ(stream.status->code, Code::kUnavailable);
  EXPECT_EQ(cancelled_, 1);
  EXPECT_EQ(lost_, 1);
}

TEST_F(CallTest, DrainOfTheServerMovesTheChannelToANewConnection) {
  Start();
  Recorder& call = Call("/t/Twice");
  call.call->Read();
  Run();
  server_->Drain();
  Run();
  EXPECT_FALSE(channel_->ready());
  call.call->Send("x");
  call.call->HalfClose();
  Run();
  EXPECT_EQ(call.messages.size(), 2);
  EXPECT_TRUE(call.status->ok());
  EXPECT_EQ(lost_, 1);
}

}  // namespace
}  // namespace tulle::grpc
