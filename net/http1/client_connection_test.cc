#include "net/http1/client_connection.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "net/http/testing/stream_recorder.h"
#include "net/loop/testing/fake_loop.h"
#include "net/socket/testing/fake_transport.h"

namespace tulle::http1 {
namespace {

using http::StreamRecorder;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ClientTest : public testing::Test, public http::ClientConnectionEvents {
 protected:
  ClientTest() { Restart({}); }
  ~ClientTest() override {
    connection_.reset();
    recorders_.clear();
    loop_.Turn();
  }
  void Restart(const ClientOptions& options, bool connected = true) {
    connection_.reset();
    loop_.Turn();
    peer_ = std::make_unique<FakePeer>();
    connection_ = std::make_unique<ClientConnection>(loop_, deadlines_, peer_->NewTransport(),
                                                     *this, options);
    connection_->Start();
    closed_ = ready_ = false;
    if (connected) peer_->Connected();
    Turn();
  }
  void OnConnectionReady() override { ready_ = true; }
  void OnStreamRoom() override { ++rooms_; }
  void Finish() {
    stream_->Detach();
    Turn();
  }
  void OnConnectionClosed(Failure why) override {
    closed_ = true;
    why_ = why;
  }

  void Send(std::string_view bytes) {
    peer_->Send(bytes);
    Turn();
  }
  void Turn() {
    loop_.Turn();
    peer_->Tell();
    loop_.Turn();
  }
  // Opens a stream and sends a request without a body.
  http::Stream& Ask(std::string_view method = "GET", bool end = true, int64_t length = -1) {
    recorders_.push_back(std::make_unique<StreamRecorder>(loop_.slab()));
    stream_ = &connection_->Open(*recorders_.back());
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.method = method;
    head.authority = "h";
    head.path = "/p";
    head.content_length = length;
    stream_->SendHeaders(head, end);
    loop_.Turn();
    return *stream_;
  }
  void SendBody(std::string_view bytes, bool end) {
    Buffer data(loop_.slab());
    data.Append(bytes);
    stream_->SendData(data, end);
    loop_.Turn();
  }
  StreamRecorder& recorder() { return *recorders_.back(); }

  loop::FakeLoop loop_;
  loop::Deadlines deadlines_{loop_};
  std::unique_ptr<FakePeer> peer_;
  std::unique_ptr<ClientConnection> connection_;
  std::deque<std::unique_ptr<StreamRecorder>> recorders_;
  http::Stream* stream_ = nullptr;
  bool ready_ = false;
  bool closed_ = false;
  int rooms_ = 0;
  Failure why_;
};

TEST_F(ClientTest, ReusesTheConnection) {
  EXPECT_TRUE(ready_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(connection_->StreamRoom(), 1u);
    EXPECT_EQ(connection_->used(), i > 0);
    http::Stream& stream = Ask();
    EXPECT_EQ(peer_->TakeReceived(), "GET /p HTTP/1.1\r\nHost: h\r\n\r\n");
    stream.Pull(100);
    Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_EQ(recorder().Joined(), "headers 200 length=2 (Content-Length: 2); data 2; end");
    stream.Detach();
    Turn();
    EXPECT_EQ(rooms_, i + 1);
  }
  EXPECT_EQ(peer_->writes(), 3);
  EXPECT_EQ(peer_->reads(), 3);
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(ClientTest, SendsContentByLengthOrInChunks) {
  Ask("POST", false, 5);
  SendBody("he", false);
  SendBody("llo", true);
  EXPECT_EQ(peer_->TakeReceived(), "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  stream_->Pull(10);
  Send(kOk);
  Finish();
  Ask("POST", false);
  SendBody("hello", false);
  SendBody("", true);
  EXPECT_EQ(
      peer_->TakeReceived(),
      "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  stream_->Pull(10);
  Send(kOk);
  Finish();
  Ask("POST", true);
  EXPECT_EQ(peer_->TakeReceived(), "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  stream_->Pull(10);
  Send(kOk);
  Finish();
  EXPECT_EQ(connection_->StreamRoom(), 1u);
}

TEST_F(ClientTest, ContentNeedsCredit) {
  Ask();
  Send(kOk);
  EXPECT_EQ(recorder().Joined(), "headers 200 length=2 (Content-Length: 2)");
  EXPECT_FALSE(peer_->reading());
  stream_->Pull(1);
  loop_.Turn();
  EXPECT_EQ(recorder().content(), "o");
  stream_->Pull(1);
  loop_.Turn();
  EXPECT_TRUE(recorder().ended());
  Finish();
  EXPECT_EQ(connection_->StreamRoom(), 1u);
}

TEST_F(ClientTest, ResponseToHead) {
  Ask("HEAD");
  Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  EXPECT_TRUE(recorder().ended());
  Finish();
  Ask("GET");
  stream_->Pull(10);
  Send(kOk);
  EXPECT_EQ(recorder().content(), "ok");
  Finish();
  EXPECT_EQ(rooms_, 2);
}

TEST_F(ClientTest, ResponseUntilTheConnectionEnds) {
  Ask();
  stream_->Pull(3);
  Send("HTTP/1.1 200 OK\r\n\r\nabcdef");
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_EQ(recorder().content(), "abc");
  EXPECT_FALSE(recorder().ended());
  stream_->Pull(10);
  Turn();
  EXPECT_EQ(recorder().content(), "abcdef");
  EXPECT_TRUE(recorder().ended());
  Finish();
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(why_);
}

TEST_F(ClientTest, ConnectionCloseIsNotReused) {
  Ask();
  Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(recorder().ended());
  Finish();
  EXPECT_EQ(rooms_, 0);
  EXPECT_TRUE(closed_);
}

TEST_F(ClientTest, ConnectFailureIsReported) {
  Restart({}, false);
  EXPECT_EQ(connection_->StreamRoom(), 0u);
  peer_->Fail({FailureKind::kConnectRefused, ""});
  loop_.Turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(why_.kind, FailureKind::kConnectRefused);
}

TEST_F(ClientTest, Fault49_NothingWrittenIsProvenUnused) {
  peer_->SetRoom(0);
  Ask();
  EXPECT_EQ(stream_->bytes_on_wire(), 0u);
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamClosedUnused);
  Finish();
  EXPECT_TRUE(closed_);
}

TEST_F(ClientTest, Fault49_CloseAndResetBeforeHeaders) {
  Ask();
  EXPECT_GT(stream_->bytes_on_wire(), 0u);
  peer_->SendEnd();
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamClosed);
  Finish();
  Restart({});
  Ask();
  peer_->Fail({FailureKind::kUpstreamReset, ""});
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamReset);
  EXPECT_FALSE(closed_);
  Finish();
  EXPECT_TRUE(closed_);
}

TEST_F(ClientTest, Fault49_EndWithinTheHeadIsAProtocolError) {
  Ask();
  Send("HTTP/1.1 200 OK\r\n");
  peer_->SendEnd();
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamProtocol);
  Finish();
}

TEST_F(ClientTest, Fault50_EndWithinTheContent) {
  for (const std::string_view start :
       {"Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n9\r\nabc"}) {
    for (const bool by_reset : {false, true}) {
      Restart({});
      Ask();
      stream_->Pull(100);
      Send("HTTP/1.1 200 OK\r\n" + std::string(start));
      by_reset ? peer_->Fail({FailureKind::kUpstreamReset, ""}) : peer_->SendEnd();
      EXPECT_EQ(recorder().content(), "abc");
      EXPECT_FALSE(recorder().ended());
      EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamTruncated);
      Finish();
    }
  }
}

TEST_F(ClientTest, Fault50_ResetOfAResponseUntilTheEndIsNotItsEnd) {
  Ask();
  stream_->Pull(100);
  Send("HTTP/1.1 200 OK\r\n\r\nabc");
  peer_->Fail({FailureKind::kUpstreamReset, ""});
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamTruncated);
  Finish();
}

TEST_F(ClientTest, Fault50_BadChunkAfterTheHead) {
  Ask();
  stream_->Pull(100);
  Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamTruncated);
  Finish();
  EXPECT_TRUE(closed_);
  EXPECT_TRUE(peer_->closed_by_reset());
}

TEST_F(ClientTest, Fault51_GarbageIsAProtocolError) {
  Ask();
  Send("\x16\x03\x01 what");
  EXPECT_EQ(recorder().Joined(), "reset upstream_protocol_error");
  Finish();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(why_.kind, FailureKind::kUpstreamProtocol);
}

TEST_F(ClientTest, Fault18_UnsolicitedUpgrade) {
  Ask();
  Send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
  EXPECT_EQ(recorder().Joined(), "reset upstream_protocol_error");
  Finish();
}

TEST_F(ClientTest, Fault52_InterimResponsesAreBounded) {
  Ask();
  stream_->Pull(10);
  for (int i = 0; i < 100; ++i) Send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  EXPECT_EQ(recorder().log().size(), 100u);
  EXPECT_EQ(recorder().log()[7], "interim 103 (Link: </a>)");
  Send(kOk);
  EXPECT_TRUE(recorder().ended());
  Finish();
  Ask();
  std::string flood;
  for (int i = 0; i < 101; ++i) flood += "HTTP/1.1 103 \r\n\r\n";
  Send(flood);
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamProtocol);
  Finish();
}

TEST_F(ClientTest, Fault53_MoreThanTheResponseDropsTheConnection) {
  Ask();
  stream_->Pull(10);
  Send(std::string(kOk) + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_EQ(recorder().content(), "ok");
  EXPECT_TRUE(recorder().ended());
  Finish();
  EXPECT_EQ(rooms_, 0);
  EXPECT_EQ(connection_->StreamRoom(), 0u);
  EXPECT_TRUE(closed_);
}

TEST_F(ClientTest, Fault53_BytesBetweenRequestsDropTheConnection) {
  Ask();
  stream_->Pull(10);
  Send(kOk);
  Finish();
  EXPECT_EQ(rooms_, 1);
  Send("x");
  EXPECT_TRUE(closed_);
  EXPECT_EQ(connection_->StreamRoom(), 0u);
}

TEST_F(ClientTest, Fault53_ResponseBeforeItsRequest) {
  peer_->SetRoom(0);
  Ask();
  Send(kOk);
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamClosedUnused);
  EXPECT_EQ(recorder().head(), nullptr);
  EXPECT_EQ(connection_->StreamRoom(), 0u);
  Finish();
}

TEST_F(ClientTest, Fault54_EarlyResponseIsDeliveredAndTheUploadStopped) {
  Ask("POST", false, 5000000);
  SendBody(std::string(1000, 'x'), false);
  stream_->Pull(100);
  Send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(recorder().content(), "no");
  EXPECT_TRUE(recorder().ended());
  peer_->TakeReceived();
  SendBody(std::string(1000, 'x'), true);
  EXPECT_EQ(peer_->received(), "");
  Finish();
  EXPECT_EQ(rooms_, 0);
  EXPECT_TRUE(closed_);
}

TEST_F(ClientTest, IdleConnectionClosedByThePeerIsOrderly) {
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(why_);
}

TEST_F(ClientTest, ResetBeforeAnythingWasWrittenKeepsTheConnection) {
  recorders_.push_back(std::make_unique<StreamRecorder>(loop_.slab()));
  connection_->Open(recorder()).Reset({FailureKind::kDownstreamClosed, ""});
  loop_.Turn();
  EXPECT_EQ(rooms_, 1);
  peer_->SetRoom(0);
  Ask();
  stream_->Reset({FailureKind::kDownstreamClosed, ""});
  loop_.Turn();
  EXPECT_EQ(rooms_, 2);
  EXPECT_EQ(connection_->StreamRoom(), 1u);
}

TEST_F(ClientTest, ResetInTheMiddleClosesByReset) {
  Ask();
  stream_->Reset({FailureKind::kDownstreamClosed, ""});
  loop_.Turn();
  EXPECT_TRUE(peer_->closed_by_reset());
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(why_);
}

TEST_F(ClientTest, DetachAfterTheRequestStillSendsIt) {
  Ask();
  Finish();
  EXPECT_EQ(peer_->received(), "GET /p HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(peer_->closed());
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ClientTest, DrainWaitsForTheStream) {
  Ask();
  stream_->Pull(10);
  connection_->Drain();
  loop_.Turn();
  EXPECT_FALSE(closed_);
  Send(kOk);
  Finish();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(rooms_, 0);
}

TEST_F(ClientTest, SlowUpstreamSlowsTheSender) {
  ClientOptions options;
  options.limits.send_buffer = 1000;
  Restart(options);
  peer_->SetRoom(100);
  Ask("POST", false);
  SendBody(std::string(2000, 'x'), false);
  EXPECT_EQ(stream_->SendRoom(), 0u);
  peer_->SetRoom(5000);
  EXPECT_EQ(recorder().log().back(), "room");
  stream_->Reset({});
  loop_.Turn();
}

TEST_F(ClientTest, Fault28_LineEndsInValuesAreNotWritten) {
  recorders_.push_back(std::make_unique<StreamRecorder>(loop_.slab()));
  stream_ = &connection_->Open(recorder());
  Arena arena(loop_.slab());
  http::Head head(arena);
  head.method = "GET";
  head.authority = "h";
  head.path = "/";
  head.headers.Add("A", std::string_view("b\r\nEvil: 1\0", 11));
  head.headers.Add("C: d\r\nEvil", "2");
  head.headers.Add("Transfer-Encoding", "chunked");
  stream_->SendHeaders(head, true);
  loop_.Turn();
  EXPECT_EQ(peer_->received(), "GET / HTTP/1.1\r\nHost: h\r\nA: b  Evil: 1 \r\n\r\n");
  stream_->Reset({});
  loop_.Turn();
}

TEST_F(ClientTest, Fault28_TargetThatCannotBeWrittenIsRefused) {
  for (const char* path : {"/a b", "/a\r\nEvil: 1", "", "/a#b"}) {
    Restart({});
    recorders_.push_back(std::make_unique<StreamRecorder>(loop_.slab()));
    stream_ = &connection_->Open(recorder());
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.method = "GET";
    head.authority = "h";
    head.path = path;
    stream_->SendHeaders(head, true);
    loop_.Turn();
    EXPECT_EQ(peer_->received(), "");
    EXPECT_EQ(recorder().failure().kind, FailureKind::kInternal);
    Finish();
  }
}

}  // namespace
}  // namespace tulle::http1
