// A delivery against collectors that a test plays by hand, over fake transports and a fake clock.
#include "telemetry/export/http_delivery.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/loop/testing/fake_loop.h"
#include "net/socket/testing/fake_transport.h"

namespace tulle::telemetry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kAnswered = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class HttpDeliveryTest : public testing::Test {
 protected:
  HttpDeliveryTest() { delivery_ = NewDelivery(); }
  ~HttpDeliveryTest() override {
    delivery_.reset();
    loop_.Turn();
  }

  std::unique_ptr<HttpDelivery> NewDelivery() {
    HttpDelivery::Options options;
    options.authority = "collector:4318";
    options.path = "/v1/traces";
    options.content_type = "application/x-protobuf";
    options.headers = {{"x-tenant", "shop"}};
    options.timeout = seconds(10);
    return std::make_unique<HttpDelivery>(
        loop_,
        [this]() -> std::unique_ptr<Transport> {
          if (is_absent_) return nullptr;
          peers_.push_back(std::make_unique<FakePeer>());
          return peers_.back()->NewTransport();
        },
        std::move(options));
  }

  void Send(std::string body) {
    delivery_->Send(std::move(body), [this](DeliveryOutcome outcome) {
      told_.push_back(std::move(outcome));
      if (!next_.empty()) Send(std::exchange(next_, {}));
    });
    loop_.Turn();
  }
  // With a collector that accepts the connection.
  void SendConnected(std::string body) {
    Send(std::move(body));
    peer().Connected();
    Settle();
  }
  void Answer(std::string_view bytes) {
    peer().Send(bytes);
    Settle();
  }
  // All that is due now.
  void Settle() {
    loop_.Turn();
    for (const auto& each : peers_) each->Tell();
    loop_.Advance({});
  }
  // What became of the only batch since the last call; absent: it is under way.
  DeliveryResult TakeResult() {
    EXPECT_EQ(told_.size(), 1u);
    if (told_.empty()) return DeliveryResult::kRefused;
    return std::exchange(told_, {}).front().result;
  }
  FakePeer& peer() { return *peers_.back(); }

  loop::FakeLoop loop_;
  std::vector<std::unique_ptr<FakePeer>> peers_;  // by connection
  std::vector<DeliveryOutcome> told_;
  std::string next_;  // sent when the one before is over
  bool is_absent_ = false;
  std::unique_ptr<HttpDelivery> delivery_;
};

TEST_F(HttpDeliveryTest, ABatchIsAPost) {
  EXPECT_TRUE(delivery_->ready());
  EXPECT_TRUE(peers_.empty()) << "it connects when there is something to send";
  SendConnected("spans");
  const std::string head = peer().received().substr(0, peer().received().find("\r\n\r\n") + 2);
  EXPECT_EQ(head.substr(0, head.find("\r\n")), "POST /v1/traces HTTP/1.1");
  for (const char* line : {"Host: collector:4318\r\n", "Content-Length: 5\r\n",
                           "content-type: application/x-protobuf\r\n", "x-tenant: shop\r\n"})
    EXPECT_NE(head.find(line), std::string::npos) << line << " in " << head;
  EXPECT_TRUE(peer().received().ends_with("\r\n\r\nspans"));
  EXPECT_TRUE(told_.empty());
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, TheNextBatchUsesTheConnectionAfterTheAnswerToTheOneBefore) {
  next_ = "second";
  SendConnected("first");
  EXPECT_EQ(peer().TakeReceived().find("second"), std::string::npos);
  Answer("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  EXPECT_TRUE(peer().received().ends_with("\r\n\r\nsecond"));
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(HttpDeliveryTest, AnAnswerWithoutContentIsOne) {
  SendConnected("spans");
  Answer("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(told_.empty());
  Answer("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

struct StatusCase {
  const char* status;
  DeliveryResult result;
};

class HttpDeliveryStatusTest : public HttpDeliveryTest,
                               public testing::WithParamInterface<StatusCase> {};

TEST_P(HttpDeliveryStatusTest, TheStatusDecides) {
  const auto& [status, result] = GetParam();
  SendConnected("spans");
  Answer(absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Length: 4\r\n\r\nwhat"));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].wait, loop::Duration(0));
  EXPECT_EQ(TakeResult(), result);
}

INSTANTIATE_TEST_SUITE_P(Statuses, HttpDeliveryStatusTest,
                         testing::Values(StatusCase{"200 OK", DeliveryResult::kAccepted},
                                         StatusCase{"202 Accepted", DeliveryResult::kAccepted},
                                         StatusCase{"301 Moved", DeliveryResult::kRefused},
                                         StatusCase{"400 Bad Request", DeliveryResult::kRefused},
                                         StatusCase{"413 Too Large", DeliveryResult::kRefused},
                                         StatusCase{"429 Slowly", DeliveryResult::kLater},
                                         StatusCase{"500 Broken", DeliveryResult::kRefused},
                                         StatusCase{"502 Bad Gateway", DeliveryResult::kLater},
                                         StatusCase{"503 Unavailable", DeliveryResult::kLater},
                                         StatusCase{"504 Late", DeliveryResult::kLater}));

struct WaitCase {
  const char* text;
  seconds wait;
};

class HttpDeliveryWaitTest : public HttpDeliveryTest,
                             public testing::WithParamInterface<WaitCase> {};

TEST_P(HttpDeliveryWaitTest, RetryAfterIsPassedOn) {
  const auto& [text, wait] = GetParam();
  SendConnected("spans");
  Answer(absl::StrCat("HTTP/1.1 503 Unavailable\r\nRetry-After: ", text,
                      "\r\nContent-Length: 0\r\n\r\n"));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].wait, loop::Duration(wait));
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  // The wait is that of one answer.
  Send("spans");
  Answer("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].wait, loop::Duration(0));
}

INSTANTIATE_TEST_SUITE_P(Texts, HttpDeliveryWaitTest,
                         testing::Values(WaitCase{"7", seconds(7)}, WaitCase{"0", seconds(0)},
                                         WaitCase{"86400", seconds(300)},
                                         WaitCase{"-1", seconds(0)}, WaitCase{"7s", seconds(0)},
                                         WaitCase{"Fri, 31 Dec 2100 23:59:59 GMT", seconds(300)},
                                         WaitCase{"Thu, 01 Jan 1970 00:00:00 GMT", seconds(0)},
                                         WaitCase{"Fri, 31 Dec", seconds(0)}));

TEST_F(HttpDeliveryTest, AConnectionThatIsLostBeforeTheAnswerIsReplaced) {
  SendConnected("spans");
  peer().SendEnd();
  Settle();
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  EXPECT_TRUE(peer().closed());
  SendConnected("again");
  EXPECT_EQ(peers_.size(), 2u);
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, AnAnswerThatIsNotHttpIsNone) {
  SendConnected("spans");
  Answer("ERR unknown command\r\n\r\n");
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  EXPECT_TRUE(peer().closed());
}

TEST_F(HttpDeliveryTest, ACollectorThatIsNotThereIsTriedAgain) {
  Send("spans");
  peer().Fail({FailureKind::kConnectRefused});
  Settle();
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  // No address is known.
  is_absent_ = true;
  Send("spans");
  EXPECT_TRUE(told_.empty()) << "never from inside Send";
  Settle();
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  EXPECT_EQ(peers_.size(), 1u);
  is_absent_ = false;
  SendConnected("spans");
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, ADeadlineEndsABatch) {
  SendConnected("spans");
  loop_.Advance(seconds(10) - milliseconds(1));
  EXPECT_TRUE(told_.empty());
  loop_.Advance(milliseconds(1));
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  EXPECT_TRUE(peer().closed()) << "an answer that comes late would be taken for the next one's";
  // Connecting counts.
  Send("spans");
  loop_.Advance(seconds(10));
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  EXPECT_TRUE(peer().closed());
  EXPECT_EQ(peers_.size(), 2u);
}

TEST_F(HttpDeliveryTest, ADeadlineIsThatOfItsBatch) {
  SendConnected("first");
  loop_.Advance(seconds(6));
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  Send("second");
  loop_.Advance(seconds(6));
  EXPECT_TRUE(told_.empty());
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, AnAnswerInChunksIsReadToItsEnd) {
  SendConnected("first");
  Answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
  EXPECT_TRUE(told_.empty());
  Answer("0\r\nserver-timing: 1\r\n\r\n");
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  Send("second");
  Answer("HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n");
  EXPECT_EQ(TakeResult(), DeliveryResult::kRefused);
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_F(HttpDeliveryTest, AnAnswerIsNotReadBeyondItsLimit) {
  SendConnected("spans");
  Answer("HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = absl::StrCat("4000\r\n", std::string(0x4000, 'x'), "\r\n");
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(told_.empty()) << i;
    Answer(chunk);
  }
  EXPECT_EQ(TakeResult(), DeliveryResult::kRefused);
  // What is left of it is not the next answer.
  SendConnected("next");
  EXPECT_EQ(peers_.size(), 2u);
  EXPECT_TRUE(peers_[0]->closed());
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, AnAnswerOfAsManyBytesAsTheLimitIsWhole) {
  SendConnected("spans");
  Answer(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", 64 * 1024, "\r\n\r\n",
                      std::string(64 * 1024, 'x')));
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, AConnectionThatTheCollectorClosesIsNotUsedAgain) {
  next_ = "second";
  SendConnected("first");
  Answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  ASSERT_EQ(peers_.size(), 2u);
  EXPECT_TRUE(peers_[0]->closed());
  peer().Connected();
  Settle();
  EXPECT_TRUE(peer().received().ends_with("\r\n\r\nsecond"));
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, AnIdleConnectionThatEndsIsNoBatchsEnd) {
  SendConnected("first");
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  peer().SendEnd();
  Settle();
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(peer().closed());
  SendConnected("second");
  EXPECT_EQ(peers_.size(), 2u);
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, ReconnectLetsABatchThatIsUnderWayEnd) {
  SendConnected("first");
  delivery_->Reconnect();
  Settle();
  EXPECT_TRUE(told_.empty());
  EXPECT_FALSE(peer().closed());
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  EXPECT_TRUE(peer().closed());
  SendConnected("second");
  EXPECT_EQ(peers_.size(), 2u);
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  // Of the first connection only.
  EXPECT_FALSE(peer().closed());
}

TEST_F(HttpDeliveryTest, ReconnectWhileConnectingEndsTheBatchForLater) {
  Send("spans");
  delivery_->Reconnect();
  EXPECT_TRUE(told_.empty());
  Settle();
  EXPECT_EQ(TakeResult(), DeliveryResult::kLater);
  EXPECT_TRUE(peer().closed());
  SendConnected("again");
  EXPECT_EQ(peers_.size(), 2u);
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
}

TEST_F(HttpDeliveryTest, ReconnectDropsAnIdleConnection) {
  delivery_->Reconnect();  // there is none
  SendConnected("first");
  Answer(kAnswered);
  EXPECT_EQ(TakeResult(), DeliveryResult::kAccepted);
  delivery_->Reconnect();
  Settle();
  EXPECT_TRUE(peer().closed());
  EXPECT_TRUE(told_.empty());
}

// The answer has arrived, and is told in the next turn.
TEST_F(HttpDeliveryTest, ReconnectDoesNotChangeAnAnswer) {
  SendConnected("spans");
  peer().Send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  loop_.Turn();
  ASSERT_TRUE(told_.empty());
  delivery_->Reconnect();
  Settle();
  EXPECT_EQ(TakeResult(), DeliveryResult::kRefused);
}

TEST_F(HttpDeliveryTest, DestroyingItTellsNothing) {
  SendConnected("under way");
  delivery_.reset();
  Settle();
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(peer().closed());
  delivery_ = NewDelivery();
  Send("connecting");
  delivery_.reset();
  Settle();
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(peer().closed());
  // In the turn in which it drops a connection.
  delivery_ = NewDelivery();
  SendConnected("answered");
  Answer(kAnswered);
  told_.clear();
  delivery_->Reconnect();
  delivery_.reset();
  Settle();
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace tulle::telemetry
