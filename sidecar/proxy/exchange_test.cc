// One request through a listener, in the simulator, with every byte of both peers written here.
#include "sidecar/proxy/exchange.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "net/socket/transports.h"
#include "sidecar/proxy/testing/tcp_world.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::TestEnd;

class ExchangeTest : public testing::TcpWorld {
 protected:
  ExchangeTest() {
    http_.codec = config::CodecChoice::kHttp1;
    forward_.clusters = {{"c", 1}};
  }
  // A kept connection to the backend, over which one request has gone.
  void Start() {
    PutCluster({backend_.address()});
    route::RouteSpec route;
    route.action = forward_;
    http_.routes = *route::RouteTable::Compile({"r", {{"h", {"*"}, {route}}}});
    auto chain = std::make_shared<config::FilterChainSpec>();
    chain->proxy = http_;
    auto spec = std::make_shared<config::ListenerSpec>(listener_spec_);
    spec->chains = {std::move(chain)};
    listener_.emplace(services_, std::move(spec));
    int error = 0;
    ASSERT_TRUE(listener_->Listen(&error));
    Dial();
    client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    Pass();
    ASSERT_EQ(backend_.ends.size(), 1u);
    Answer(server());
    Pass();
    ASSERT_TRUE(Take(client_).starts_with("HTTP/1.1 200 OK"));
    Take(server());
  }
  static void Answer(TestEnd& end) { end.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); }
  static std::string Take(TestEnd& end) {
    std::string text = end.received.ToString();
    end.received.Clear();
    return text;
  }
  static std::string Put(size_t length) {
    return "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  }

  config::HttpSpec http_;
  route::ForwardSpec forward_;
};

// Whatever comes between the end of one connection and the beginning of the next, the upstream gets
// all of it and nothing twice: also what is more than would be kept of it.
TEST_F(ExchangeTest, BodyThatComesBetweenTwoConnectionsIsNotLost) {
  Start();
  for (const size_t length : {20'000, 200'000}) {
    for (int wait = 0; wait <= 60; wait += 5) {
      SCOPED_TRACE(wait);
      TestEnd& kept = *backend_.ends.back();
      const size_t before = backend_.ends.size();
      client_.Send(Put(length) + std::string(5'000, 'a'));
      Pass();
      Take(kept);
      kept.Close(false);
      Pass(microseconds(wait));
      client_.Send(std::string(length - 5'000, 'b'));
      Pass();
      ASSERT_EQ(backend_.ends.size(), before + 1);
      const std::string got = Take(*backend_.ends.back());
      EXPECT_NE(got.find(": " + std::to_string(length) + "\r\n"), std::string::npos);
      const std::string body = std::string(5'000, 'a') + std::string(length - 5'000, 'b');
      EXPECT_TRUE(got.ends_with("\r\n\r\n" + body));
      Answer(*backend_.ends.back());
      Pass();
      EXPECT_TRUE(Take(client_).starts_with("HTTP/1.1 200 OK"));
    }
  }
}

}  // namespace
}  // namespace tulle::proxy
