// One request through a listener, in the simulator, with every byte of both peers written here.
#include "sidecar/proxy/exchange.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http2/testing/frames.h"
#include "net/socket/transports.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/mirror.h"
#include "sidecar/proxy/testing/tcp_world.h"
#include "sidecar/proxy/testing/upper_case_stage.h"
#include "sidecar/route/retry_on.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

namespace h2 = http2::testing;
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
  void Listen(route::RouteSpec route) {
    http_.routes = *route::RouteTable::Compile({"r", {{"h", {"*"}, {std::move(route)}}}});
    auto chain = std::make_shared<config::FilterChainSpec>();
    chain->proxy = http_;
    auto spec = std::make_shared<config::ListenerSpec>(listener_spec_);
    spec->chains = {std::move(chain)};
    listener_.emplace(services_, std::move(spec));
    int error = 0;
    ASSERT_TRUE(listener_->Listen(&error));
  }
  route::RouteSpec Forwards() const {
    route::RouteSpec route;
    route.action = forward_;
    return route;
  }
  // A kept connection to the backend, over which one request has gone.
  void Start() {
    PutCluster({backend_.address()});
    Listen(Forwards());
    Dial();
    client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    Pass();
    ASSERT_EQ(backend_.ends.size(), 1u);
    Answer(server());
    Pass();
    ASSERT_TRUE(Take(client_).starts_with("HTTP/1.1 200 OK"));
    Take(server());
  }
  // By HTTP/2: the connection, the head of a request whose end follows, and its trailers.
  void StartHttp2() {
    client_.Send(std::string(h2::kPreface) + h2::Frame(h2::kSettings, 0, 0, ""));
  }
  void SendHttp2Head(uint32_t stream) {
    client_.Send(h2::Frame(h2::kHeaders, h2::kEndHeaders, stream, h2::GetBlock()));
  }
  static std::string Http2Trailers(uint32_t stream) {
    return h2::Frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, stream,
                     h2::Block({{"x-sum", "1"}}));
  }
  bool IsAvailable(size_t endpoint) {
    upstream::Cluster& cluster = *clusters_.Acquire("c");
    const auto availability = cluster.Endpoints().at(endpoint)->AvailabilityIn(cluster.spec());
    clusters_.Release(cluster);
    return availability == upstream::Availability::kAvailable;
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

// What the codec answers by itself names the request and the cause, as every other error does.
class CodecsAnswer : public ExchangeTest {
 protected:
  CodecsAnswer() {
    services_.shows_causes = true;
    watcher_.on_request_end = [this](const Call& call) {
      id_ = call.record.request->headers.Get(http::HeaderId::kXRequestId);
      cause_ = call.record.failure.facts().cause;
    };
  }
  std::string To(const std::string& request) {
    PutCluster({backend_.address()});
    Listen(Forwards());
    Dial();
    client_.Send(request);
    Pass();
    return Take(client_);
  }
  void ExpectExplained(const std::string& answer, std::string_view status) {
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::string(status) + " ")) << answer;
    EXPECT_NE(answer.find("\r\nx-request-id: " + id_ + "\r\n"), answer.npos) << answer;
    EXPECT_NE(answer.find("\r\nx-tulle-cause: " + cause_ + "\r\n"), answer.npos) << answer;
  }

  std::string id_;
  std::string cause_;
};

TEST_F(CodecsAnswer, ToAHeadThatIsNotWellFormed) {
  const std::string answer = To("GET / HTTP/1.1\r\nHost: a\r\nB c: d\r\n\r\n");
  EXPECT_EQ(id_.size(), 36u);
  EXPECT_EQ(cause_, "bad_request");
  ExpectExplained(answer, "400");
}

TEST_F(CodecsAnswer, ToABodyThatIsNotWellFormed) {
  const std::string answer =
      To("PUT / HTTP/1.1\r\nHost: a\r\nx-request-id: mine\r\nTransfer-Encoding: "
         "chunked\r\n\r\nnine\r\n");
  EXPECT_EQ(id_, "mine");
  ExpectExplained(answer, "400");
}

TEST_F(CodecsAnswer, ToAHeadThatDoesNotCome) {
  http_.request_headers_timeout = milliseconds(100);
  const std::string none = To("GET / HTTP/1.1\r\nHost: a\r\n");
  EXPECT_EQ(none, "");
  Pass(seconds(1));
  EXPECT_EQ(cause_, "request_headers_timeout");
  ExpectExplained(Take(client_), "408");
}

TEST_F(CodecsAnswer, ThereIsNoneByHttp2AndTheRequestHasAnIdAllTheSame) {
  http_.codec = config::CodecChoice::kHttp2;
  Listen(Forwards());
  Dial();
  StartHttp2();
  client_.Send(h2::Frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, 1,
                         h2::Block({{":method", "GET"}, {"Upper", "case"}})));
  Pass();
  EXPECT_EQ(id_.size(), 36u);
  EXPECT_EQ(cause_, "downstream_protocol_error");
}

// Of two endpoints one was chosen, and the other one is said not to have been.
TEST_F(ExchangeTest, DecisionsOfARequestOutliveIt) {
  int status = 0;
  std::vector<KeptDecision> kept;
  watcher_.on_request_end = [&](const Call& call) {
    status = call.record.status;
    Arena arena(loop_->slab());
    Decisions all(arena);
    ExplainEnd(all, call);
    kept = all.Copy();
  };
  testing::Backend other(*loop_);
  PutCluster({backend_.address(), other.address()});
  Listen(Forwards());
  Dial();
  client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Pass();
  TestEnd& end = backend_.ends.empty() ? *other.ends.front() : server();
  const std::string chosen = (backend_.ends.empty() ? other : backend_).address().ToString();
  end.Send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  Pass();
  EXPECT_EQ(status, 500);
  const auto is_endpoint = [](const KeptDecision& one) {
    return one.kind == DecisionKind::kEndpoint;
  };
  ASSERT_EQ(std::count_if(kept.begin(), kept.end(), is_endpoint), 2);
  ASSERT_EQ(kept.front().kind, DecisionKind::kAttempt);
  EXPECT_EQ(kept.front().subject, chosen);
  EXPECT_EQ(kept.front().numbers.status, 500);
  std::erase_if(kept, [&](const KeptDecision& one) { return !is_endpoint(one); });
  for (const KeptDecision& endpoint : kept) {
    EXPECT_EQ(endpoint.kind, DecisionKind::kEndpoint);
    EXPECT_EQ(endpoint.positive, endpoint.subject == chosen);
    EXPECT_EQ(endpoint.reason, endpoint.positive ? "chosen by the load balancer"
                                                 : "not chosen by the load balancer");
  }
}

// The address of the attempt that failed is known, not only that of one that was sent.
TEST_F(ExchangeTest, AnEndpointThatRefusesIsRecorded) {
  SocketAddress upstream;
  Failure failure;
  watcher_.on_request_end = [&](const Call& call) {
    upstream = call.record.upstream.address;
    failure = call.record.failure;
  };
  const SocketAddress address = backend_.address();
  backend_.Close();
  PutCluster({address});
  Listen(Forwards());
  Dial();
  client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Pass();
  EXPECT_EQ(failure.kind, FailureKind::kConnectRefused);
  EXPECT_EQ(upstream, address);
}

// An answer of our own is sent as the caller has room for it, and the connection goes on after it.
TEST_F(ExchangeTest, LargeDirectResponseWaitsForRoom) {
  constexpr size_t kLength = 16 * 1024 * 1024;
  route::RouteSpec route;
  route.action = route::DirectResponseSpec{200, std::string(kLength, 'd')};
  Listen(route);
  Dial();
  client_.transport().EnableRead(false);
  client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Pass();
  size_t held = 0;
  ASSERT_NE(listener_->connections().Largest(held), nullptr);
  EXPECT_LT(held, size_t{4 * 1024 * 1024});
  client_.transport().EnableRead(true);
  Pass(seconds(10));
  const std::string got = Take(client_);
  EXPECT_EQ(got.size() - (got.find("\r\n\r\n") + 4), kLength);
  EXPECT_FALSE(listener_->connections().busy());
}

// A stage changes both bodies, and while it is paused the upstream is not read beyond its credit.
TEST_F(ExchangeTest, StagesChangeBodiesAndKeepBackPressure) {
  testing::UpperCaseStages stages;
  stages.pause_after = 1000;
  services_.body_stages = &stages;
  Start();
  client_.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  Pass();
  EXPECT_TRUE(Take(server()).ends_with("\r\n\r\nHELLO"));
  constexpr size_t kLength = 32 * 1024 * 1024;
  server().Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kLength) + "\r\n\r\n");
  server().Send(std::string(kLength, 'x'));
  Pass();
  std::string got = Take(client_);
  const size_t head = got.find("\r\n\r\n") + 4;
  EXPECT_EQ(got.substr(head), std::string(1000, 'X'));
  size_t held = 0;
  ASSERT_NE(listener_->connections().Largest(held), nullptr);
  EXPECT_LT(held, size_t{4 * 1024 * 1024});
  stages.response->Resume();
  Pass(seconds(5));
  got += Take(client_);
  EXPECT_EQ(got.size() - head, kLength);
  EXPECT_EQ(got.find('x', head), std::string::npos);
  client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Pass();
  EXPECT_TRUE(Take(server()).starts_with("GET / "));
}

// The first attempt that is sent may be the second one.
TEST_F(ExchangeTest, StagesSeeARequestWhoseFirstAttemptDidNotConnect) {
  testing::UpperCaseStages stages;
  services_.body_stages = &stages;
  forward_.retry.emplace();
  forward_.retry->on = route::kRetryOnConnectFailure;
  PutCluster({SocketAddress::Loopback4(1), backend_.address()});
  Listen(Forwards());
  Dial();
  for (int i = 0; i < 4; ++i) {
    client_.Send(Put(5) + "hello");
    Pass(seconds(1));
    ASSERT_FALSE(backend_.ends.empty());
    EXPECT_TRUE(Take(server()).ends_with("\r\n\r\nHELLO")) << i;
    Answer(server());
    Pass();
    EXPECT_TRUE(Take(client_).starts_with("HTTP/1.1 200 OK")) << i;
  }
}

// It was not processed and is sent again, without a retry policy.
TEST_F(ExchangeTest, ARefusedStreamDoesNotCountAgainstItsEndpoint) {
  cluster_.http = upstream::HttpChoice::kHttp2;
  cluster_.breaker.emplace();
  cluster_.breaker->errors = {1, 100};
  cluster_.breaker->always_one = true;
  PutCluster({backend_.address()});
  Listen(Forwards());
  Dial();
  client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Pass();
  constexpr uint32_t kRefusedStream = 7;
  server().Send(h2::Frame(h2::kSettings, 0, 0, "") +
                h2::Frame(h2::kRstStream, 0, 1, h2::Number32(kRefusedStream)));
  Pass();
  EXPECT_TRUE(IsAvailable(0));
  server().Send(h2::Frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, 3,
                          h2::Block({{":status", "200"}})));
  Pass();
  EXPECT_TRUE(Take(client_).starts_with("HTTP/1.1 200 OK"));
}

TEST_F(ExchangeTest, TheTimeoutOfTheRouteRunsWhileARequestWaitsForAConnection) {
  http_.codec = config::CodecChoice::kHttp2;
  forward_.timeout = milliseconds(500);
  PutCluster({*SocketAddress::Parse("10.9.9.9", 80)});  // no host has this address
  Listen(Forwards());
  Dial();
  StartHttp2();
  const std::string ends[] = {Http2Trailers(1), h2::Frame(h2::kData, h2::kEndStream, 3, "")};
  for (const uint32_t stream : {1u, 3u}) {
    SendHttp2Head(stream);
    Pass();
    client_.Send(ends[stream / 2]);
    Pass(seconds(1));
    bool answered = false;
    for (const h2::RawFrame& frame : h2::ParseFrames(client_.received.ToString()))
      answered |= frame.type == h2::kHeaders && frame.stream == stream;
    EXPECT_TRUE(answered) << stream;
  }
}

// Trailers that came before the connection, and no body.
TEST_F(ExchangeTest, AMirrorGetsTrailersWithoutABody) {
  Mirrors mirrors(services_);
  services_.mirrors = &mirrors;
  testing::Backend copies(*loop_);
  cluster_.name = "m";
  PutCluster({copies.address()});
  cluster_.name = "c";
  PutCluster({backend_.address()});
  http_.codec = config::CodecChoice::kHttp2;
  forward_.mirrors = {{"m"}};
  Listen(Forwards());
  Dial();
  StartHttp2();
  SendHttp2Head(1);
  client_.Send(Http2Trailers(1));
  Pass();
  ASSERT_EQ(copies.ends.size(), 1u);
  for (TestEnd* end : {&server(), copies.ends.front().get()}) {
    const std::string got = Take(*end);
    EXPECT_TRUE(got.ends_with("\r\n0\r\nx-sum: 1\r\n\r\n")) << got;
    Answer(*end);
  }
  Pass();
  copies.ends.clear();
  Pass();
  clusters_.Remove("m");
}

// A proxy on the way, or a page of errors, answers a call without speaking gRPC.
TEST_F(ExchangeTest, AResponseThatIsNoGrpcHasNoMessages) {
  std::vector<uint64_t> messages;
  watcher_.on_request_end = [&](const Call& call) {
    if (call.record.grpc == nullptr) return;
    messages.push_back(call.record.grpc->response.count());
  };
  Start();
  for (const char* type : {"text/html", "application/grpc-web", "application/grpc+proto"}) {
    client_.Send(
        "POST /s/m HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n"
        "Content-Length: 0\r\n\r\n");
    Pass();
    server().Send("HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
                  "\r\nContent-Length: 10\r\n\r\n" + std::string(10, '\0'));
    Pass();
  }
  EXPECT_EQ(messages, (std::vector<uint64_t>{0, 0, 2}));
}

}  // namespace
}  // namespace tulle::proxy
