// Client and server connection over real sockets of the loopback.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/http/testing/stream_recorder.h"
#include "net/http1/client_connection.h"
#include "net/http1/server_connection.h"
#include "net/loop/uv/uv_loop.h"
#include "net/socket/transports.h"

namespace tulle::http1 {
namespace {

constexpr size_t kCredit = 64 * 1024;

// Sends each request's body back, chunked.
class Echo : public loop::ListenerEvents,
             public http::ServerConnectionEvents,
             public http::StreamEvents {
 public:
  explicit Echo(loop::Loop& loop) : loop_(loop), deadlines_(loop), arena_(loop.slab()) {}
  ~Echo() override { connection_.reset(); }

  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    connection_ = std::make_unique<ServerConnection>(
        loop_, deadlines_, PlainAcceptor().Accept(loop_, std::move(socket)), *this,
        ServerOptions());
    Buffer early(loop_.slab());
    connection_->Start(early);
  }
  http::StreamEvents* OnStream(http::Stream& stream) override {
    arena_.Clear();
    stream_ = &stream;
    return this;
  }
  void OnConnectionClosed(Failure) override { loop_.DeferDelete(std::move(connection_)); }

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override {
    http::Head answer(arena_);
    answer.status = 200;
    answer.headers.Add("X-Method", head.method);
    stream_->SendHeaders(answer, end);
    if (end) return stream_->Detach();
    stream_->Pull(kCredit);
  }
  void OnData(Buffer& data, bool end) override {
    stream_->Pull(data.size());
    stream_->SendData(data, end);
    if (end) stream_->Detach();
  }
  void OnTrailers(http::HeaderMap&) override { FAIL(); }
  void OnReset(Failure) override { stream_->Detach(); }
  void OnSendRoom() override {}

 private:
  loop::Loop& loop_;
  loop::Deadlines deadlines_;
  Arena arena_;
  std::unique_ptr<ServerConnection> connection_;
  http::Stream* stream_ = nullptr;
};

// Asks `rounds` times, each time with a body of `size` bytes, and stops the loop.
class Asker : public http::ClientConnectionEvents, public http::StreamRecorder {
 public:
  Asker(loop::Loop& loop, int rounds, size_t size)
      : StreamRecorder(loop.slab()), loop_(loop), deadlines_(loop), rounds_(rounds), size_(size) {}

  void Connect(const SocketAddress& to) {
    connection_ = std::make_unique<ClientConnection>(
        loop_, deadlines_, PlainConnector().Connect(loop_, to, {}), *this, ClientOptions());
    connection_->Start();
  }
  void OnConnectionReady() override { Ask(); }
  void OnStreamRoom() override { rounds_ > 0 ? Ask() : Stop(); }
  void OnConnectionClosed(Failure failure) override {
    why = failure;
    Stop();
  }
  void OnHeaders(http::Head& head, bool end) override {
    EXPECT_EQ(head.status, 200);
    if (end) Answered();
  }
  void OnData(Buffer& data, bool end) override {
    received += data.size();
    stream_->Pull(data.size());
    data.Clear();
    if (end) Answered();
  }
  void OnReset(Failure failure) override {
    why = failure;
    stream_->Detach();
  }
  void Answered() {
    ++answered;
    stream_->Detach();
  }

  int answered = 0;
  size_t received = 0;
  Failure why;

 private:
  void Ask() {
    --rounds_;
    arena().Clear();
    stream_ = &connection_->Open(*this);
    http::Head head(arena());
    head.method = size_ > 0 ? "POST" : "GET";
    head.authority = "loopback";
    head.path = "/";
    stream_->SendHeaders(head, size_ == 0);
    stream_->Pull(kCredit);
    if (size_ == 0) return;
    Buffer body(loop_.slab());
    body.Append(std::string(size_, 'x'));
    stream_->SendData(body, true);
  }
  void Stop() {
    if (connection_ != nullptr) connection_->Close();
    loop_.DeferDelete(std::move(connection_));
    loop_.Stop();
  }

  loop::Loop& loop_;
  loop::Deadlines deadlines_;
  std::unique_ptr<ClientConnection> connection_;
  http::Stream* stream_ = nullptr;
  int rounds_;
  size_t size_;
};

class Loopback : public testing::TestWithParam<size_t> {};

TEST_P(Loopback, AnswersComeBackWholeOnOneConnection) {
  constexpr int kRounds = 50;
  const std::unique_ptr<loop::Loop> uv = loop::NewUvLoop();
  loop::Loop& loop = *uv;
  Echo echo(loop);
  int error = 0;
  auto listener = loop.Listen(SocketAddress::Loopback4(0), {}, echo, &error);
  ASSERT_NE(listener, nullptr) << error;
  Asker asker(loop, kRounds, GetParam());
  asker.Connect(listener->LocalAddress());
  loop.Run();
  EXPECT_EQ(asker.answered, kRounds);
  EXPECT_EQ(asker.received, kRounds * GetParam());
  EXPECT_FALSE(asker.why);
}

INSTANTIATE_TEST_SUITE_P(BodySizes, Loopback, testing::Values(0, 1, 1000, 100000, 1000000));

}  // namespace
}  // namespace tulle::http1
