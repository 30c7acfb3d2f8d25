// Our gRPC as a program, for interop_test.py:
// interop server            prints the port it serves on, until its standard input ends
// interop client PORT       calls a server of the same methods and prints the results
// Methods: /interop.Echo/Unary returns a message, "fail" fails with NOT_FOUND, "slow" never
// returns; /interop.Echo/Chat returns each message and ends when the caller does.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "net/grpc/server.h"
#include "net/loop/loop.h"
#include "net/loop/uv/uv_loop.h"
#include "net/socket/transports.h"

namespace {

using namespace tulle;  // NOLINT: a main program

class Chat final : public grpc::CallHandler {
 public:
  explicit Chat(grpc::ServerCall& call) : call_(call) { call_.Read(); }
  void OnMessage(std::string message) override {
    call_.Send(message);
    if (call_.SendRoom() > 0) return call_.Read();
    waiting_ = true;
  }
  void OnSendRoom() override {
    if (std::exchange(waiting_, false)) call_.Read();
  }
  void OnHalfClose() override { call_.Finish({}); }
  void OnCancelled() override {}

 private:
  grpc::ServerCall& call_;
  bool waiting_ = false;
};

class Acceptor final : public loop::ListenerEvents {
 public:
  Acceptor(loop::Loop& loop, grpc::Server& server) : loop_(loop), server_(server) {}
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    server_.Adopt(PlainAcceptor().Accept(loop_, std::move(socket)));
  }

 private:
  loop::Loop& loop_;
  grpc::Server& server_;
};

int Serve() {
  const std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
  grpc::ServiceRegistry registry;
  std::vector<std::unique_ptr<grpc::UnaryReply>> never;
  registry.AddUnary("/interop.Echo/Unary", [&](const grpc::ServerCall&, const std::string& request,
                                               std::unique_ptr<grpc::UnaryReply> reply) {
    if (request == "fail") return reply->Fail({grpc::Code::kNotFound, "no caf\xc3\xa9 100%"});
    if (request == "slow") return never.push_back(std::move(reply));
    reply->Send(request);
  });
  registry.AddStreaming("/interop.Echo/Chat",
                        [](grpc::ServerCall& call) { return std::make_unique<Chat>(call); });
  {
    grpc::Server server(*loop, registry, {});
    Acceptor acceptor(*loop, server);
    int error = 0;
    const auto listener = loop->Listen(SocketAddress::Loopback4(0), {}, acceptor, &error);
    if (listener == nullptr) return 1;
    std::printf("%u\n", listener->LocalAddress().port());
    std::fflush(stdout);
    std::thread watcher([&] {
      char byte;
      while (read(STDIN_FILENO, &byte, 1) > 0) {
      }
      loop->Stop();
    });
    loop->Run();
    watcher.join();
  }
  never.clear();
  return 0;
}

// Makes calls one after another and prints a line for each.
class Caller final : public grpc::ChannelEvents, public grpc::ClientCallEvents {
 public:
  Caller(loop::Loop& loop, uint16_t port)
      : loop_(loop),
        channel_(
            loop,
            [&loop, port] {
              return PlainConnector().Connect(loop, SocketAddress::Loopback4(port), {});
            },
            {}, *this) {
    channel_.Start();
  }

  void OnChannelReady() override {
    Unary("hello", [this] { AfterHello(); });
  }
  void OnChannelLost(Failure why) override {
    std::printf("lost %s\n", std::string(why.facts().cause).c_str());
    loop_.Stop();
  }
  void OnMessage(std::string message) override {
    ++received_;
    bytes_ += message.size();
    if (received_ == 100) chat_->HalfClose();
    chat_->Read();
  }
  void OnFinished(const grpc::Status& status) override {
    std::printf("chat %d %zu %zu\n", static_cast<int>(status.code), received_, bytes_);
    loop_.Stop();
  }

 private:
  void Unary(std::string_view request, std::function<void()> then) {
    unary_.push_back(channel_.NewUnaryCall(
        "/interop.Echo/Unary", request, std::chrono::seconds(1),
        [then = std::move(then)](const grpc::Status& status, std::string response) {
          std::printf("unary %d %s|%zu\n", static_cast<int>(status.code), status.message.c_str(),
                      response.size());
          then();
        }));
  }
  void AfterHello() {
    Unary("fail", [this] {
      Unary(std::string(3'000'000, 'x'), [this] { Unary("slow", [this] { StartChat(); }); });
    });
  }
  void StartChat() {
    chat_ = channel_.NewCall("/interop.Echo/Chat", *this);
    chat_->Read();
    for (int i = 0; i < 100; ++i) chat_->Send(std::string(20'000, 'x'));
  }

  loop::Loop& loop_;
  grpc::Channel channel_;
  std::vector<std::unique_ptr<grpc::UnaryCall>> unary_;
  std::unique_ptr<grpc::ClientCall> chat_;
  size_t received_ = 0;
  size_t bytes_ = 0;
};

int Call(uint16_t port) {
  const std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
  {
    Caller caller(*loop, port);
    loop->Run();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "server") return Serve();
  if (mode == "client" && argc > 2) return Call(static_cast<uint16_t>(std::atoi(argv[2])));
  std::fprintf(stderr, "usage: interop server | interop client PORT\n");
  return 2;
}
