// A server and a client connection over fake transports, wired to each other where both are wanted.
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
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
    loop_.Turn();
    peer_ = std::make_unique<FakePeer>();
    connection_ = std::make_unique<ServerConnection>(loop_, deadlines_, peer_->NewTransport(),
                                                     *this, options);
    Buffer early(loop_.slab());
    connection_->Start(early);
    loop_.Turn();
  }
  http::StreamEvents* OnStream(http::Stream& stream) override {
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
  void Answer(int status, std::string_view body) {
    Arena arena(loop_.slab());
    http::Head head(arena);
    head.status = status;
    head.content_length = static_cast<int64_t>(body.size());
    stream().SendHeaders(head, body.empty());
    if (!body.empty()) {
      Buffer data(loop_.slab());
      data.Append(body);
      stream().SendData(data, true);
    }
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

class ClientTest : public testing::Test, public http::ClientConnectionEvents {
 protected:
  ClientTest() { Restart({}); }
  ~ClientTest() override {
    connection_.reset();
    recorders_.clear();
    loop_.Turn();
  }
  void Restart(const ClientOptions& options) {
    connection_.reset();
    loop_.Turn();
    peer_ = std::make_unique<FakePeer>();
    connection_ = std::make_unique<ClientConnection>(loop_, deadlines_, peer_->NewTransport(),
                                                     *this, options);
    connection_->Start();
    peer_->Connected();
    Turn();
  }
  void OnConnectionReady() override { ready_ = true; }
  void OnStreamRoom() override { ++rooms_; }
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

TEST_F(ClientTest, AsksAgainOnOneConnection) {
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

TEST_F(ClientTest, Fault49_CloseBeforeHeadersTellsHowFarTheRequestGot) {
  Ask();
  peer_->SendEnd();
  EXPECT_EQ(recorder().failure().kind, FailureKind::kUpstreamClosed);
  stream_->Detach();
  Turn();
  EXPECT_TRUE(closed_);
}

}  // namespace
}  // namespace tulle::http1
