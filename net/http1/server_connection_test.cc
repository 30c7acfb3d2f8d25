#include "net/http1/server_connection.h"

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

class ServerTest : public testing::Test, public http::ServerConnectionEvents {
 protected:
  ServerTest() { Restart({}); }
  ~ServerTest() override {
    connection_.reset();
    streams_.clear();
    recorders_.clear();
    loop_.Turn();
  }

  void Restart(const ServerOptions& options) {
    connection_.reset();
    streams_.clear();
    recorders_.clear();
    loop_.Turn();
    peer_ = std::make_unique<FakePeer>();
    connection_ = std::make_unique<ServerConnection>(loop_, deadlines_, peer_->NewTransport(),
                                                     *this, options);
    Buffer early(loop_.slab());
    connection_->Start(early);
    loop_.Turn();
  }
  http::StreamEvents* OnStream(http::Stream& stream) override {
    if (refusing_) return nullptr;
    recorders_.push_back(std::make_unique<StreamRecorder>(loop_.slab()));
    streams_.push_back(&stream);
    return recorders_.back().get();
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
  void SendHead(int status, int64_t length, bool end = false) {
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.status = status;
    head.content_length = length;
    stream().SendHeaders(head, end);
  }
  void SendBody(std::string_view bytes, bool end) {
    Buffer data(loop_.slab());
    data.Append(bytes);
    stream().SendData(data, end);
  }
  void Answer(int status, std::string_view body) {
    SendHead(status, static_cast<int64_t>(body.size()), body.empty());
    if (!body.empty()) SendBody(body, true);
    stream().Detach();
    Turn();
  }
  StreamRecorder& recorder() { return *recorders_.back(); }
  http::Stream& stream() { return *streams_.back(); }

  loop::FakeLoop loop_;
  loop::Deadlines deadlines_{loop_};
  std::unique_ptr<FakePeer> peer_;
  std::unique_ptr<ServerConnection> connection_;
  std::deque<std::unique_ptr<StreamRecorder>> recorders_;
  std::deque<http::Stream*> streams_;
  bool refusing_ = false;
  bool closed_ = false;
  Failure why_;
};

TEST_F(ServerTest, ServesRequestsOnOneConnection) {
  for (int i = 0; i < 3; ++i) {
    Send("GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n");
    EXPECT_EQ(recorder().Joined(), "headers GET /a host=h (X-A: 1); end");
    Answer(200, "hello");
    EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(connection_->active_streams(), 0u);
  }
  EXPECT_EQ(peer_->writes(), 3);
  EXPECT_EQ(peer_->reads(), 3);
  EXPECT_TRUE(peer_->reading());
}

TEST_F(ServerTest, Fault01_LengthAndChunkedIsAnsweredAndClosed) {
  Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc");
  EXPECT_EQ(recorder().Joined(), "reset bad_request");
  EXPECT_EQ(peer_->received().substr(0, 26), "HTTP/1.1 400 Bad Request\r\n");
  EXPECT_NE(peer_->received().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(peer_->write_shut());
  stream().Detach();
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(why_.kind, FailureKind::kBadRequest);
}

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view kPost5 = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
constexpr std::string_view kPostChunked =
    "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_F(ServerTest, ContentNeedsCredit) {
  Send(std::string(kPost5) + "hello");
  EXPECT_EQ(recorder().Joined(), "headers POST /a host=h length=5 (Content-Length: 5)");
  EXPECT_FALSE(peer_->reading());
  stream().Pull(2);
  loop_.Turn();
  EXPECT_EQ(recorder().content(), "he");
  stream().Pull(1);
  stream().Pull(10);
  loop_.Turn();
  EXPECT_EQ(recorder().content(), "hello");
  EXPECT_TRUE(recorder().ended());
  Answer(200, "");
  EXPECT_EQ(peer_->received(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(peer_->reading());
}

TEST_F(ServerTest, ChunkedRequestWithTrailers) {
  Send(std::string(kPostChunked));
  stream().Pull(100);
  Send("3\r\nabc\r\n");
  Send("2\r\nde\r\n0\r\nX-T: 1\r\n\r\n");
  EXPECT_EQ(recorder().Joined(),
            "headers POST /a host=h (); data 3; data 2; trailers (X-T: 1); end");
}

TEST_F(ServerTest, UnknownLengthIsSentInChunks) {
  Send(kGet);
  SendHead(200, -1);
  SendBody("hello", false);
  Turn();
  EXPECT_EQ(peer_->TakeReceived(),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  SendBody(std::string(26, 'x'), true);
  stream().Detach();
  Turn();
  EXPECT_EQ(peer_->TakeReceived(), "1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n");
  Send(kGet);
  EXPECT_EQ(recorders_.size(), 2u);
}

TEST_F(ServerTest, TrailersFollowTheLastChunk) {
  Send(kGet);
  SendHead(200, -1);
  SendBody("x", false);
  Arena arena(loop_.slab());
  http::HeaderMap trailers(arena);
  trailers.Add("X-Sum", "1");
  trailers.Add("Content-Length", "9");
  trailers.Add("Host", "evil");
  stream().SendTrailers(trailers);
  stream().Detach();
  Turn();
  EXPECT_EQ(peer_->received(),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n");
}

TEST_F(ServerTest, ResponsesWithoutContent) {
  Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  Answer(200, "hello");
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  Send(kGet);
  SendHead(304, 7, true);
  stream().Detach();
  Turn();
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
  Send(kGet);
  Answer(204, "dropped");
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_FALSE(closed_);
}

TEST_F(ServerTest, Fault16_ForbiddenTrailersAreDropped) {
  Send(std::string(kPostChunked));
  stream().Pull(100);
  Send("0\r\nContent-Length: 5\r\nHost: b\r\n\r\n");
  EXPECT_EQ(recorder().Joined(), "headers POST /a host=h (); end");
}

TEST_F(ServerTest, Fault17_PipelinedRequestsAreServedInOrderWithReadsPaused) {
  std::string requests;
  for (int i = 0; i < 10000; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  peer_->Send(requests);
  loop_.Turn();
  EXPECT_EQ(recorders_.size(), 1u);
  EXPECT_GT(peer_->unread(), requests.size() - 70 * 1024);
  EXPECT_FALSE(peer_->reading());
  for (int i = 0; i < 10000; ++i) {
    ASSERT_NE(recorder().head(), nullptr) << recorder().Joined();
    ASSERT_EQ(recorder().head()->path, "/" + std::to_string(i));
    Answer(200, std::to_string(i));
    if (recorders_.size() > 2) recorders_.pop_front();
  }
  EXPECT_EQ(peer_->unread(), 0u);
  EXPECT_TRUE(peer_->received().ends_with("Content-Length: 4\r\n\r\n9999"));
}

TEST_F(ServerTest, Fault17_UnreadResponsesHoldBackPipelinedRequests) {
  ServerOptions options;
  options.limits.send_buffer = 1000;
  Restart(options);
  peer_->SetRoom(0);
  peer_->Send(std::string(kGet) + std::string(kGet));
  loop_.Turn();
  Answer(200, std::string(2000, 'x'));
  EXPECT_EQ(recorders_.size(), 1u);
  peer_->SetRoom(10000);
  loop_.Turn();
  EXPECT_EQ(recorders_.size(), 2u);
  Answer(200, "");
}

TEST_F(ServerTest, Fault17_ARequestAfterAnUnreadResponseIsServedOnceThatIsRead) {
  ServerOptions options;
  options.limits.send_buffer = 1000;
  Restart(options);
  peer_->SetRoom(0);
  Send(kGet);
  Answer(200, std::string(2000, 'x'));
  Turn();
  peer_->SetRoom(10000);
  Turn();
  Send(kGet);
  EXPECT_EQ(recorders_.size(), 2u);
  Answer(200, "");
}

TEST_F(ServerTest, Fault18_UpgradeIsNotedAndNotForwarded) {
  Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(recorder().Joined(), "headers GET / host=h upgrade-wanted upgrade=websocket (); end");
  Answer(403, "");
}

TEST_F(ServerTest, Fault19_ContinueIsSentByTheExchange) {
  Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(recorder().head()->expects_continue);
  Arena arena(loop_.slab());
  http::Head interim(arena);
  interim.status = 100;
  stream().SendInterim(interim);
  stream().Pull(10);
  Turn();
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 100 Continue\r\n\r\n");
  Send("ok");
  EXPECT_TRUE(recorder().ended());
  Answer(200, "");
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(peer_->write_shut());
}

TEST_F(ServerTest, Fault19_RefusedWithoutContinueClosesTheConnection) {
  Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  Answer(403, "");
  EXPECT_EQ(peer_->received(),
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(peer_->write_shut());
}

TEST_F(ServerTest, Fault19_UnknownExpectationIs417) {
  Send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: x\r\n\r\n");
  EXPECT_EQ(recorder().Joined(), "reset expectation_failed");
  EXPECT_TRUE(peer_->received().starts_with("HTTP/1.1 417 "));
  stream().Detach();
}

TEST_F(ServerTest, Fault20_SlowHeadIsCutWith408) {
  Send("G");
  for (int i = 0; i < 4; ++i) {
    loop_.Advance(seconds(2));
    Send("E");
  }
  EXPECT_FALSE(peer_->write_shut());
  loop_.Advance(seconds(2));
  EXPECT_EQ(recorder().Joined(), "reset request_headers_timeout");
  EXPECT_TRUE(peer_->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  stream().Detach();
  loop_.Advance(seconds(1));
  EXPECT_TRUE(peer_->closed());
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, Fault20_TheTimeLimitOfOneHeadIsNotTheNextOnes) {
  Send(kGet);
  loop_.Advance(seconds(30));
  Answer(200, "");
  loop_.Advance(seconds(30));
  EXPECT_FALSE(peer_->write_shut());
  Send("GE");
  loop_.Advance(seconds(9));
  Send(kGet.substr(2));
  loop_.Advance(seconds(9));
  Answer(200, "");
  EXPECT_FALSE(peer_->write_shut());
}

TEST_F(ServerTest, IdleConnectionIsClosed) {
  ServerOptions options;
  options.idle_timeout = seconds(60);
  Restart(options);
  loop_.Advance(seconds(59));
  Send(kGet);
  loop_.Advance(seconds(100));
  Answer(200, "");
  loop_.Advance(seconds(59));
  EXPECT_FALSE(peer_->write_shut());
  loop_.Advance(seconds(1));
  EXPECT_TRUE(peer_->write_shut());
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(why_);
}

TEST_F(ServerTest, Fault21_SlowReaderSlowsTheSender) {
  ServerOptions options;
  options.limits.send_buffer = 1000;
  Restart(options);
  peer_->SetRoom(0);
  Send(kGet);
  SendHead(200, 5000);
  EXPECT_LT(stream().SendRoom(), 1000u);
  SendBody(std::string(2000, 'x'), false);
  Turn();
  EXPECT_EQ(stream().SendRoom(), 0u);
  EXPECT_EQ(stream().bytes_on_wire(), 0u);
  peer_->SetRoom(500);
  EXPECT_EQ(recorder().log().back(), "end");
  EXPECT_EQ(stream().bytes_on_wire(), 500u);
  peer_->SetRoom(10000);
  EXPECT_EQ(recorder().log().back(), "room");
  EXPECT_EQ(stream().SendRoom(), 1000u);
  SendBody(std::string(3000, 'x'), true);
  stream().Detach();
  Turn();
  EXPECT_TRUE(peer_->received().ends_with("xxx"));
  EXPECT_EQ(connection_->active_streams(), 0u);
}

TEST_F(ServerTest, Fault21_UnreadContentIsHeldByTheTransport) {
  Send(std::string(kPostChunked));
  peer_->Send("fffff\r\n" + std::string(0xfffff, 'x') + "\r\n");
  loop_.Turn();
  EXPECT_FALSE(peer_->reading());
  EXPECT_GT(peer_->unread(), 0xfffff - 70 * 1024u);
  for (int i = 0; i < 16; ++i) {
    stream().Pull(0x10000);
    Turn();
  }
  EXPECT_EQ(recorder().content().size(), 0xfffffu);
}

TEST_F(ServerTest, PeerThatClosesBeforeItsResponseCancelsIt) {
  Send(kGet);
  peer_->SendEnd();
  EXPECT_EQ(recorder().log().back(), "reset downstream_closed");
  stream().Detach();
  loop_.Turn();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(peer_->received(), "");
}

TEST_F(ServerTest, PeerThatClosesInTheMiddleOfARequest) {
  for (const std::string& start : {std::string("GET / HT"), std::string(kPost5) + "he"}) {
    closed_ = false;
    Restart({});
    Send(start);
    if (recorder().head() != nullptr) stream().Pull(10);
    loop_.Turn();
    peer_->SendEnd();
    loop_.Turn();
    EXPECT_EQ(recorder().log().back(), "reset downstream_closed");
    stream().Detach();
    loop_.Turn();
    EXPECT_TRUE(closed_);
  }
}

TEST_F(ServerTest, TransportFailureResetsTheStream) {
  Send(kGet);
  peer_->Fail({FailureKind::kDownstreamClosed, "connection reset"});
  EXPECT_EQ(recorder().log().back(), "reset downstream_closed");
  loop_.Turn();
  EXPECT_FALSE(closed_);  // the stream's user still holds it
  stream().Detach();
  loop_.Turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, Fault50_ResponseThatIsResetNeverLooksComplete) {
  Send(kGet);
  SendHead(200, -1);
  SendBody("part", false);
  Turn();
  stream().Reset({FailureKind::kUpstreamTruncated, ""});
  Turn();
  EXPECT_TRUE(peer_->received().ends_with("4\r\npart\r\n"));
  EXPECT_TRUE(peer_->write_shut() || peer_->closed());
  loop_.Advance(seconds(1));
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, Fault50_LessOrMoreThanTheStatedLengthCutsTheConnection) {
  for (const std::string_view body : {"shrt", "too long"}) {
    Restart({});
    Send(kGet);
    SendHead(200, 5);
    SendBody(body, true);
    stream().Detach();
    Turn();
    const size_t head_end = peer_->received().find("\r\n\r\n") + 4;
    EXPECT_LT(peer_->received().size() - head_end, 5u);
    EXPECT_TRUE(peer_->write_shut());
  }
}

TEST_F(ServerTest, RestOfAnUnwantedBodyIsDroppedIfItIsShort) {
  Send(std::string(kPost5) + "he");
  Answer(413, "");
  EXPECT_EQ(connection_->active_streams(), 0u);
  Send("llo" + std::string(kGet));
  EXPECT_EQ(recorders_.size(), 2u);
  EXPECT_EQ(recorder().Joined(), "headers GET /a host=h (); end");
  Answer(200, "");
}

TEST_F(ServerTest, Fault54_RestOfALongUnwantedBodyClosesAfterTheAnswer) {
  Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n");
  Answer(413, "");
  for (int i = 0; i < 5; ++i) Send(std::string(100000, 'x'));
  EXPECT_TRUE(peer_->received().starts_with("HTTP/1.1 413 Content Too Large\r\n"));
  EXPECT_TRUE(peer_->write_shut());
  EXPECT_FALSE(peer_->closed());  // lingers, so that no reset eats the answer
  EXPECT_EQ(peer_->unread(), 0u);
  loop_.Advance(seconds(1));
  EXPECT_TRUE(peer_->closed());
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, BadContentWhileTheResponseIsBeingSent) {
  Send(std::string(kPostChunked));
  stream().Pull(100);
  SendHead(200, -1);
  SendBody("x", false);
  Send("nonsense\r\n");
  EXPECT_EQ(recorder().log().back(), "reset bad_request");
  stream().Detach();
  Turn();
  EXPECT_EQ(peer_->received().find("400"), std::string::npos);
  EXPECT_FALSE(peer_->received().ends_with("0\r\n\r\n"));
  EXPECT_TRUE(peer_->write_shut());
}

TEST_F(ServerTest, DrainSaysCloseOnTheNextResponse) {
  Send(kGet);
  connection_->Drain();
  loop_.Turn();
  EXPECT_FALSE(peer_->write_shut());
  Answer(200, "");
  EXPECT_EQ(peer_->received(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(peer_->write_shut());
  peer_->SendEnd();
  loop_.Turn();
  EXPECT_TRUE(closed_);
  EXPECT_FALSE(why_);
}

TEST_F(ServerTest, DrainClosesAnIdleConnection) {
  connection_->Drain();
  loop_.Turn();
  EXPECT_TRUE(peer_->write_shut());
}

// It left the client before that could know.
TEST_F(ServerTest, DrainStillAnswersTheRequestThatHasComeAlready) {
  peer_->Arrive(kGet);
  connection_->Drain();
  loop_.Turn();
  EXPECT_FALSE(peer_->write_shut());
  ASSERT_EQ(recorders_.size(), 1u);
  Answer(200, "");
  EXPECT_EQ(peer_->received(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(peer_->write_shut());
}

TEST_F(ServerTest, DrainDoesNotWaitForMoreThanHasCome) {
  peer_->Arrive("\r\n");
  connection_->Drain();
  loop_.Turn();
  EXPECT_TRUE(peer_->write_shut());
}

TEST_F(ServerTest, ClientThatSaysCloseIsClosed) {
  Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + std::string(kGet));
  Answer(200, "");
  EXPECT_TRUE(peer_->write_shut());
  EXPECT_EQ(recorders_.size(), 1u);
}

TEST_F(ServerTest, RefusedStreamCloses) {
  refusing_ = true;
  Send(kGet);
  EXPECT_TRUE(peer_->write_shut());
  loop_.Advance(seconds(1));
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, CloseEndsEverythingWithoutAnEvent) {
  Send(kGet);
  connection_->Close();
  loop_.Turn();
  EXPECT_TRUE(peer_->closed());
  EXPECT_FALSE(closed_);
  EXPECT_EQ(recorder().log().back(), "end");
}

TEST_F(ServerTest, EarlyBytesAreServed) {
  connection_.reset();
  loop_.Turn();
  FakePeer peer;
  auto connection = std::make_unique<ServerConnection>(loop_, deadlines_, peer.NewTransport(),
                                                       *this, ServerOptions());
  Buffer early(loop_.slab());
  early.Append(kGet);
  connection->Start(early);
  loop_.Turn();
  EXPECT_EQ(recorder().Joined(), "headers GET /a host=h (); end");
  connection.reset();
  loop_.Turn();
}

TEST_F(ServerTest, Fault08_Http10Gets426) {
  Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(peer_->received().starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
  EXPECT_NE(peer_->received().find("\r\nUpgrade: HTTP/1.1\r\n"), std::string::npos);
  stream().Detach();
}

class Http10Test : public ServerTest {
 protected:
  Http10Test() {
    ServerOptions options;
    options.http10 = {true, "default.test"};
    Restart(options);
  }
};

TEST_F(Http10Test, KeepsTheConnectionThatIsAskedForIfTheLengthIsKnown) {
  for (int i = 0; i < 2; ++i) {
    Send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(recorder().Joined(), "headers GET /a host=default.test (); end");
    Answer(200, "hello");
    EXPECT_EQ(peer_->TakeReceived(),
              "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello");
    EXPECT_FALSE(peer_->write_shut());
  }
  Send("GET /a HTTP/1.0\r\n\r\n");
  Answer(204, "");
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.0 204 No Content\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(peer_->write_shut());
}

TEST_F(Http10Test, ContentOfUnknownLengthEndsWithTheConnection) {
  Send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  Arena arena(loop_.slab());
  http::Head interim(arena);
  interim.status = 103;
  stream().SendInterim(interim);
  SendHead(200, -1);
  SendBody("some ", false);
  SendBody("of it", false);
  http::HeaderMap trailers(arena);
  trailers.Add("a", "b");
  stream().SendTrailers(trailers);
  stream().Detach();
  Turn();
  EXPECT_EQ(peer_->received(), "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nsome of it");
  EXPECT_TRUE(peer_->write_shut());
  EXPECT_FALSE(peer_->closed_by_reset());
}

TEST_F(Http10Test, ContentThatIsCutOffEndsWithAReset) {
  Send("GET /a HTTP/1.0\r\n\r\n");
  SendHead(200, -1);
  SendBody("some ", false);
  Turn();
  stream().Reset({FailureKind::kUpstreamReset, ""});
  Turn();
  EXPECT_TRUE(peer_->closed_by_reset()) << "an orderly end would make it look complete";
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, Fault10_LargeHeadIs431) {
  Send("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(61 * 1024, 'x'));
  EXPECT_TRUE(peer_->received().starts_with("HTTP/1.1 431 "));
  stream().Detach();
}

TEST_F(ServerTest, TakesNoMemoryWhileIdle) {
  Send(kGet);
  Answer(200, "x");
  recorders_.clear();
  EXPECT_EQ(loop_.slab().bytes_in_use(), 0u);
}

}  // namespace
}  // namespace tulle::http1
