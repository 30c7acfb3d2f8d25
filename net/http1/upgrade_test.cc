// Upgrades (WebSocket) through both codecs: what is asked for, what is answered, and the bytes that
// follow.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "net/http/testing/stream_recorder.h"
#include "net/http1/client_connection.h"
#include "net/http1/server_connection.h"
#include "net/loop/testing/fake_loop.h"
#include "net/socket/testing/fake_transport.h"

namespace tulle::http1 {
namespace {

using http::StreamRecorder;

constexpr std::string_view kAsk =
    "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
constexpr std::string_view kAsked =
    "headers GET /chat host=h upgrade-wanted upgrade=websocket (Sec-WebSocket-Key: k); end";
constexpr std::string_view kSwitched =
    "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\n\r\n";
// No message: neither of HTTP nor of WebSocket.
constexpr std::string_view kBytes = "\x81\xff\r\n\r\nGET /evil HTTP/1.1\r\n\r\n0\r\n\r\n";

class UpgradeTest : public testing::Test {
 protected:
  ~UpgradeTest() override { loop_.Turn(); }

  // Whatever can happen by itself does.
  void Turn() {
    loop_.Turn();
    peer_->Tell();
    loop_.Turn();
  }
  void Send(std::string_view bytes) {
    peer_->Send(bytes);
    Turn();
  }
  void SendEnd() {
    peer_->SendEnd();
    Turn();
  }
  void SendBytes(http::Stream& stream, std::string_view bytes, bool end) {
    Buffer data(loop_.slab());
    data.Append(bytes);
    stream.SendData(data, end);
    Turn();
  }

  loop::FakeLoop loop_;
  loop::Deadlines deadlines_{loop_};
  std::unique_ptr<FakePeer> peer_;
  std::unique_ptr<StreamRecorder> recorder_;
  bool closed_ = false;
  Failure why_;
};

class ServerUpgrade : public UpgradeTest, public http::ServerConnectionEvents {
 protected:
  ServerUpgrade() { Restart(); }
  ~ServerUpgrade() override { connection_.reset(); }

  void Restart() {
    connection_.reset();
    loop_.Turn();
    recorder_.reset();
    closed_ = false;
    streams_ = 0;
    peer_ = std::make_unique<FakePeer>();
    connection_ = std::make_unique<ServerConnection>(loop_, deadlines_, peer_->NewTransport(),
                                                     *this, ServerOptions());
    Buffer early(loop_.slab());
    connection_->Start(early);
    loop_.Turn();
  }
  http::StreamEvents* OnStream(http::Stream& stream) override {
    ++streams_;
    stream_ = &stream;
    recorder_ = std::make_unique<StreamRecorder>(loop_.slab());
    return recorder_.get();
  }
  void OnConnectionClosed(Failure why) override {
    closed_ = true;
    why_ = why;
  }

  void Switch() {
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.status = 101;
    head.upgrade = "websocket";
    head.headers.Add("Sec-WebSocket-Accept", "a");
    recorder_->Upgrade();
    stream_->SendHeaders(head, false);
    Turn();
  }
  void Answer(int status) {
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.status = status;
    stream_->SendHeaders(head, true);
    stream_->Detach();
    Turn();
  }

  std::unique_ptr<ServerConnection> connection_;
  http::Stream* stream_ = nullptr;
  int streams_ = 0;
};

TEST_F(ServerUpgrade, AnAcceptedConnectIsATunnel) {
  Send("CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n");
  EXPECT_EQ(recorder_->Joined(), "headers CONNECT  host=db:5432 upgrade-wanted (); end");
  Arena arena(loop_.slab());
  http::Head head(arena);
  head.status = 200;
  head.upgrade = "CONNECT";
  recorder_->Upgrade();
  stream_->SendHeaders(head, false);
  Turn();
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 200 OK\r\n\r\n") << "neither a length nor chunks";
  stream_->Pull(1000);
  Send(kBytes);
  EXPECT_EQ(recorder_->content(), kBytes);
  SendBytes(*stream_, "greeting", false);
  EXPECT_EQ(peer_->TakeReceived(), "greeting");
  EXPECT_EQ(streams_, 1);
  stream_->Reset({FailureKind::kUpstreamReset, ""});
  Turn();
}

TEST_F(ServerUpgrade, Fault76_BytesBothWaysHoweverTheyAreCut) {
  const std::string all = std::string(kAsk) + std::string(kBytes);
  for (size_t cut = 1; cut < all.size(); ++cut) {
    Restart();
    Send(all.substr(0, cut));
    if (cut < kAsk.size()) Send(std::string_view(all).substr(cut, kAsk.size() - cut));
    ASSERT_EQ(recorder_->Joined(), kAsked);
    stream_->Pull(10);
    Turn();
    ASSERT_EQ(recorder_->content(), "") << "nothing is forwarded before 101";
    Switch();
    ASSERT_EQ(peer_->TakeReceived(), kSwitched);
    if (cut < kAsk.size()) {
      Send(kBytes);
    } else {
      Send(std::string_view(all).substr(cut));
    }
    ASSERT_EQ(recorder_->content(), kBytes.substr(0, 10)) << "no more than the credit";
    stream_->Pull(1000);
    Turn();
    ASSERT_EQ(recorder_->content(), kBytes);
    SendBytes(*stream_, kBytes, false);
    ASSERT_EQ(peer_->TakeReceived(), kBytes) << "no framing";
    ASSERT_EQ(streams_, 1);
    stream_->Reset({FailureKind::kUpstreamReset, ""});
    Turn();
    ASSERT_TRUE(peer_->closed_by_reset());
  }
}

TEST_F(ServerUpgrade, Fault76_EachDirectionEndsForItself) {
  Send(kAsk);
  stream_->Pull(1000);
  Switch();
  peer_->TakeReceived();
  Send("last");
  SendEnd();
  EXPECT_EQ(recorder_->content(), "last");
  EXPECT_TRUE(recorder_->ended());
  EXPECT_FALSE(peer_->write_shut());
  SendBytes(*stream_, "answer", false);
  SendBytes(*stream_, "", true);
  EXPECT_EQ(peer_->TakeReceived(), "answer");
  EXPECT_TRUE(peer_->write_shut());
  EXPECT_FALSE(peer_->closed());
  stream_->Detach();
  Turn();
  EXPECT_TRUE(closed_);
  EXPECT_TRUE(peer_->closed());
  EXPECT_FALSE(peer_->closed_by_reset());
}

TEST_F(ServerUpgrade, Fault76_OurEndWaitsForTheBytesBeforeIt) {
  Send(kAsk);
  stream_->Pull(1000);
  Switch();
  peer_->TakeReceived();
  peer_->SetRoom(0);
  SendBytes(*stream_, "answer", true);
  SendEnd();
  stream_->Detach();
  Turn();
  EXPECT_FALSE(peer_->write_shut());
  EXPECT_FALSE(peer_->closed());
  peer_->SetRoom(100);
  Turn();
  EXPECT_EQ(peer_->TakeReceived(), "answer");
  EXPECT_TRUE(peer_->write_shut());
  EXPECT_TRUE(closed_);
}

TEST_F(ServerUpgrade, Fault76_AResetOfThePeerEndsTheStream) {
  Send(kAsk);
  Switch();
  peer_->Fail({FailureKind::kDownstreamClosed, "reset"});
  Turn();
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kDownstreamClosed);
  EXPECT_FALSE(closed_) << "waits for Detach";
  stream_->Detach();
  Turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ServerUpgrade, Fault76_RevokedPeersAreReset) {
  Send(kAsk);
  connection_->ResetUpgraded();
  Turn();
  EXPECT_FALSE(recorder_->failure()) << "a request is answered";
  Switch();
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kPeerRefused);
  EXPECT_TRUE(peer_->closed_by_reset());
  stream_->Detach();
  Turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ServerUpgrade, Fault76_DrainingKeepsIt) {
  Send(kAsk);
  connection_->AnnounceEnd();
  connection_->Drain();
  Switch();
  EXPECT_EQ(peer_->TakeReceived(), kSwitched) << "no Connection: close";
  stream_->Pull(1000);
  Send("on");
  EXPECT_EQ(recorder_->content(), "on");
  EXPECT_FALSE(peer_->closed());
  stream_->Reset({FailureKind::kDraining, ""});
  Turn();
  EXPECT_TRUE(closed_);
}

TEST_F(ServerUpgrade, Fault76_ARefusedUpgradeKeepsTheConnection) {
  Send(kAsk);
  Answer(403);
  EXPECT_EQ(peer_->TakeReceived(), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(streams_, 2);
  Answer(200);
}

// The bytes after it are not a request, whoever sent them.
TEST_F(ServerUpgrade, Fault76_BytesAfterARefusedUpgradeAreNotARequest) {
  constexpr std::string_view kRequest = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n";
  Send(std::string(kAsk) + std::string(kRequest));
  Answer(404);
  EXPECT_EQ(peer_->TakeReceived(),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(streams_, 1);
  EXPECT_TRUE(peer_->write_shut());

  Restart();
  Send(kAsk);
  peer_->Arrive(kRequest);  // on its way when the answer is made
  Answer(404);
  EXPECT_EQ(streams_, 1);
  EXPECT_TRUE(peer_->write_shut());
}

TEST_F(ServerUpgrade, Fault76_ABodyBelongsToTheRequest) {
  Send(
      "POST /exec HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
      "Content-Length: 2\r\n\r\n{}more");
  stream_->Pull(1000);
  Turn();
  EXPECT_EQ(recorder_->content(), "{}");
  EXPECT_TRUE(recorder_->ended());
  Switch();
  EXPECT_EQ(recorder_->content(), "{}more");
  stream_->Reset({FailureKind::kDraining, ""});
  Turn();
}

TEST_F(ServerUpgrade, Fault76_ExactlyOneType) {
  Send(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Upgrade: other\r\n\r\n");
  EXPECT_EQ(recorder_->Joined(), "headers GET / host=h upgrade-wanted (); end");
  Answer(403);
  Send("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(recorder_->Joined(), "headers GET / host=h (); end") << "Connection does not name it";
  Answer(200);
}

class ClientUpgrade : public UpgradeTest, public http::ClientConnectionEvents {
 protected:
  ClientUpgrade() { Restart(); }
  ~ClientUpgrade() override { connection_.reset(); }

  void Restart() {
    connection_.reset();
    loop_.Turn();
    recorder_.reset();
    closed_ = false;
    peer_ = std::make_unique<FakePeer>();
    connection_ = std::make_unique<ClientConnection>(loop_, deadlines_, peer_->NewTransport(),
                                                     *this, ClientOptions());
    connection_->Start();
    peer_->Connected();
    Turn();
  }
  void OnConnectionReady() override {}
  void OnStreamRoom() override { ++rooms_; }
  void OnConnectionClosed(Failure why) override {
    closed_ = true;
    why_ = why;
  }

  void Ask(std::string_view upgrade = "websocket", bool end = true) {
    recorder_ = std::make_unique<StreamRecorder>(loop_.slab());
    stream_ = &connection_->Open(*recorder_);
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.method = "GET";
    head.authority = "h";
    head.path = "/chat";
    head.upgrade = upgrade;
    stream_->SendHeaders(head, end);
    stream_->Pull(1000);
    Turn();
  }
  void Leave() {
    stream_->Detach();
    Turn();
  }

  std::unique_ptr<ClientConnection> connection_;
  http::Stream* stream_ = nullptr;
  int rooms_ = 0;
};

TEST_F(ClientUpgrade, ConnectMakesTheConnectionATunnel) {
  recorder_ = std::make_unique<StreamRecorder>(loop_.slab());
  stream_ = &connection_->Open(*recorder_);
  Arena arena(loop_.slab());
  http::Head head(arena);
  head.method = "CONNECT";
  head.authority = "db:5432";
  recorder_->Upgrade();
  stream_->SendHeaders(head, true);
  Turn();
  EXPECT_EQ(peer_->TakeReceived(), "") << "the endpoint is no proxy";
  ASSERT_NE(recorder_->head(), nullptr);
  EXPECT_EQ(recorder_->head()->status, 200);
  EXPECT_EQ(recorder_->head()->upgrade, "CONNECT");
  stream_->Pull(1000);
  Send(kBytes);
  EXPECT_EQ(recorder_->content(), kBytes) << "also if the endpoint speaks first";
  SendBytes(*stream_, "question", true);
  EXPECT_EQ(peer_->TakeReceived(), "question");
  EXPECT_TRUE(peer_->write_shut());
  SendEnd();
  EXPECT_TRUE(recorder_->ended());
  stream_->Detach();
  Turn();
  EXPECT_TRUE(closed_) << "it is not used again";
  EXPECT_EQ(rooms_, 0);
}

TEST_F(ClientUpgrade, Fault76_BytesBothWaysHoweverTheyAreCut) {
  const std::string all = std::string(kSwitched) + std::string(kBytes);
  for (size_t cut = 1; cut < all.size(); ++cut) {
    Restart();
    Ask();
    ASSERT_EQ(peer_->TakeReceived(),
              "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    Send(all.substr(0, cut));
    Send(std::string_view(all).substr(cut));
    ASSERT_EQ(recorder_->log().front(), "headers 101 upgrade=websocket (Sec-WebSocket-Accept: a)");
    ASSERT_EQ(recorder_->content(), kBytes);
    SendBytes(*stream_, kBytes, false);
    ASSERT_EQ(peer_->TakeReceived(), kBytes) << "no framing";
    ASSERT_EQ(connection_->StreamRoom(), 0u);
    stream_->Reset({FailureKind::kDownstreamClosed, ""});
    Turn();
    ASSERT_TRUE(peer_->closed_by_reset());
    ASSERT_TRUE(closed_);
    ASSERT_EQ(rooms_, 0) << "never used again";
  }
}

TEST_F(ClientUpgrade, Fault76_EachDirectionEndsForItself) {
  Ask();
  Send(kSwitched);
  SendBytes(*stream_, "last", true);
  EXPECT_TRUE(peer_->write_shut());
  Send("answer");
  EXPECT_FALSE(recorder_->ended());
  SendEnd();
  EXPECT_EQ(recorder_->content(), "answer");
  EXPECT_TRUE(recorder_->ended());
  EXPECT_FALSE(peer_->closed());
  Leave();
  EXPECT_TRUE(peer_->closed());
  EXPECT_FALSE(peer_->closed_by_reset());
  EXPECT_EQ(rooms_, 0);
}

TEST_F(ClientUpgrade, Fault76_ThePeersEndLeavesOurDirectionOpen) {
  Ask();
  Send(kSwitched);
  SendEnd();
  EXPECT_TRUE(recorder_->ended());
  peer_->TakeReceived();
  SendBytes(*stream_, "more", false);
  EXPECT_EQ(peer_->TakeReceived(), "more");
  SendBytes(*stream_, "", true);
  EXPECT_TRUE(peer_->write_shut());
  Leave();
  EXPECT_TRUE(closed_);
}

TEST_F(ClientUpgrade, Fault76_AResetEndsTheStream) {
  Ask();
  Send(kSwitched);
  peer_->Fail({FailureKind::kUpstreamReset, "reset"});
  Turn();
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kUpstreamTruncated);
  Leave();
  EXPECT_TRUE(closed_);
}

TEST_F(ClientUpgrade, Fault76_RevokedPeersAreReset) {
  Ask();
  Send(kSwitched);
  connection_->ResetUpgraded();
  Turn();
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kPeerRefused);
  EXPECT_TRUE(peer_->closed_by_reset());
  Leave();
}

TEST_F(ClientUpgrade, Fault76_OnlyRequestedUpgradesAfterTheRequest) {
  Ask("");
  EXPECT_EQ(peer_->TakeReceived(), "GET /chat HTTP/1.1\r\nHost: h\r\n\r\n");
  Send(kSwitched);
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kUpstreamProtocol);
  Leave();

  Restart();
  Ask("other");
  Send(kSwitched);
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kUpstreamProtocol);
  Leave();

  Restart();
  Ask("websocket", false);
  Send(kSwitched);
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kUpstreamProtocol);
  Leave();

  Restart();
  Ask();
  Send("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  EXPECT_EQ(recorder_->failure().kind, FailureKind::kUpstreamProtocol) << "to what?";
  Leave();
}

TEST_F(ClientUpgrade, Fault76_OtherResponsesAreOrdinary) {
  Ask();
  Send(
      "HTTP/1.1 404 Not Found\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Content-Length: 2\r\n\r\nno");
  EXPECT_EQ(recorder_->Joined(), "headers 404 length=2 (Content-Length: 2); data 2; end");
  Leave();
  EXPECT_EQ(rooms_, 1) << "the connection serves again";
  EXPECT_FALSE(closed_);
}

}  // namespace
}  // namespace tulle::http1
