// The exact sets of attributes that OpenTelemetry's conventions and we ourselves give to spans.
#include "sidecar/proxy/span_attributes.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/proxy/grpc_messages.h"
#include "sidecar/proxy/testing/span_world.h"
#include "sidecar/route/route_table.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

using testing::Attributes;
using testing::AttributesOf;
using testing::milliseconds;
using testing::Span;

class SpanAttributesTest : public testing::SpanWorld {
 protected:
  SpanAttributesTest() {
    Sample();
    caller_ = *SocketAddress::Parse("10.0.0.9", 40000);
    trace_.mesh = std::chrono::microseconds(70);
    attempt_.span = 9;
    attempt_.started = record_.times.started;
    attempt_.ended = record_.times.ended;
    attempt_.upstream = record_.upstream.address;
    attempt_.status = 200;
    attempt_.mesh = std::chrono::microseconds(30);
    AddAttempt(attempt_);
    record_.routed.route = "r";
    Match({route::PathKind::kSeparatedPrefix, "/carts"});
    record_.original_path = "/carts/7?card=1234";
    head_.path = "/v2/carts/7?card=1234";
    head_.headers.Set("user-agent", "curl/8");
    head_.headers.Set("x-request-id", "an-id");
  }
  // The request matches a route for these paths.
  void Match(route::PathSpec paths, const std::string& operation = "") {
    route::RouteSpec route;
    route.match.path = std::move(paths);
    route.operation = operation;
    route.action = route::DirectResponseSpec{200, ""};
    table_ = *route::RouteTable::Compile({"t", {{"h", {"*"}, {std::move(route)}}}});
    http::Head head(arena_);
    head.authority = "web";
    record_.routed.matched = &table_->HostFor(head)->routes()[0];
  }
  void MakeGrpc(std::string_view status) {
    record_.grpc = &bodies_;
    record_.grpc_status = status;
    record_.original_path = head_.path = "/shop.Cart/Add";
    Match({route::PathKind::kExact, "/shop.Cart/Add"});
    head_.method = "POST";
    head_.version = http::Version::kHttp2;
    record_.upstream.is_http2 = true;
  }
  // The server span and those of the attempts.
  std::vector<Span> Spans() {
    Write();
    return SpanWorld::Spans();
  }
  static bool IsError(const Span& span) {
    return span.status().code() == opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR;
  }

  AttemptTrace attempt_;
  GrpcBodies bodies_;
  std::shared_ptr<const route::RouteTable> table_;
};

TEST_F(SpanAttributesTest, OfHttp) {
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].name(), "GET /carts/*");
  EXPECT_EQ(AttributesOf(spans[0]), (Attributes{{"http.request.method", "GET"},
                                                {"url.scheme", "http"},
                                                {"url.path", "/carts/7"},
                                                {"url.query", "card=REDACTED"},
                                                {"http.route", "/carts/*"},
                                                {"server.address", "web"},
                                                {"server.port", "8080"},
                                                {"network.protocol.version", "1.1"},
                                                {"network.peer.address", "10.0.0.9"},
                                                {"network.peer.port", "40000"},
                                                {"user_agent.original", "curl/8"},
                                                {"guid:x-request-id", "an-id"},
                                                {"http.response.status_code", "200"},
                                                {"response_flags", "-"},
                                                {"upstream_cluster", "c"},
                                                {"tulle.route", "r"},
                                                {"tulle.direction", "outbound"},
                                                {"tulle.mesh.microseconds", "70"}}));
  EXPECT_EQ(spans[1].name(), "GET");
  EXPECT_EQ(AttributesOf(spans[1]),
            (Attributes{{"http.request.method", "GET"},
                        {"url.full", "http://web:8080/v2/carts/7?card=REDACTED"},
                        {"server.address", "web"},
                        {"server.port", "8080"},
                        {"network.protocol.version", "1.1"},
                        {"network.peer.address", "10.0.0.2"},
                        {"network.peer.port", "80"},
                        {"http.response.status_code", "200"},
                        {"upstream_cluster", "c"},
                        {"tulle.mesh.microseconds", "30"}}));
  EXPECT_FALSE(IsError(spans[0]) || IsError(spans[1]));
}

TEST_F(SpanAttributesTest, OfGrpc) {
  MakeGrpc("0");
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  const Attributes rpc{{"rpc.system.name", "grpc"},        {"rpc.system", "grpc"},
                       {"rpc.service", "shop.Cart"},       {"rpc.method", "shop.Cart/Add"},
                       {"rpc.response.status_code", "OK"}, {"rpc.grpc.status_code", "0"}};
  Attributes server{{"http.request.method", "POST"},
                    {"url.scheme", "http"},
                    {"url.path", "/shop.Cart/Add"},
                    {"http.route", "/shop.Cart/Add"},
                    {"server.address", "web"},
                    {"server.port", "8080"},
                    {"network.protocol.version", "2"},
                    {"network.peer.address", "10.0.0.9"},
                    {"network.peer.port", "40000"},
                    {"user_agent.original", "curl/8"},
                    {"guid:x-request-id", "an-id"},
                    {"http.response.status_code", "200"},
                    {"response_flags", "-"},
                    {"upstream_cluster", "c"},
                    {"tulle.route", "r"},
                    {"tulle.direction", "outbound"},
                    {"tulle.mesh.microseconds", "70"}};
  Attributes client{
      {"http.request.method", "POST"},   {"url.full", "http://web:8080/shop.Cart/Add"},
      {"server.address", "web"},         {"server.port", "8080"},
      {"network.protocol.version", "2"}, {"network.peer.address", "10.0.0.2"},
      {"network.peer.port", "80"},       {"http.response.status_code", "200"},
      {"upstream_cluster", "c"},         {"tulle.mesh.microseconds", "30"}};
  server.insert(rpc.begin(), rpc.end());
  client.insert(rpc.begin(), rpc.end());
  EXPECT_EQ(AttributesOf(spans[0]), server);
  EXPECT_EQ(AttributesOf(spans[1]), client);
  EXPECT_EQ(spans[0].name(), "shop.Cart/Add");
  EXPECT_EQ(spans[1].name(), "shop.Cart/Add");
  EXPECT_FALSE(IsError(spans[0]) || IsError(spans[1]));
}

// {the span is an error, error.type}
using Error = std::pair<bool, std::string>;
Error ErrorOf(const Span& span) {
  return {span.status().code() == opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR,
          testing::AttributeOf(span, "error.type")};
}
const Error kNone{false, "(none)"};

TEST_F(SpanAttributesTest, TheServicesErrorsHaveATypeToo) {
  record_.status = attempt_.status = 404;
  std::vector<Span> spans = Spans();
  EXPECT_EQ(ErrorOf(spans[0]), kNone);
  EXPECT_EQ(ErrorOf(spans[1]), Error(true, "404"));
  record_.status = attempt_.status = 503;
  spans = Spans();
  EXPECT_EQ(ErrorOf(spans[0]), Error(true, "503"));
  EXPECT_EQ(ErrorOf(spans[1]), Error(true, "503"));
}

TEST_F(SpanAttributesTest, OurOwnErrorsHaveTheirCause) {
  record_.status = 503;
  attempt_.status = 0;
  record_.failure = attempt_.failure = {upstream::failures::kOverflow, "max_requests reached"};
  const std::string cause(record_.failure.facts().cause);
  const std::vector<Span> spans = Spans();
  EXPECT_EQ(ErrorOf(spans[0]), Error(true, cause));
  EXPECT_EQ(ErrorOf(spans[1]), Error(true, cause));
  EXPECT_EQ(spans[0].status().message(), cause);
}

TEST_F(SpanAttributesTest, OfGrpcTheStatusTells) {
  MakeGrpc("14");
  std::vector<Span> spans = Spans();
  EXPECT_EQ(ErrorOf(spans[0]), Error(true, "UNAVAILABLE"));
  EXPECT_EQ(ErrorOf(spans[1]), Error(true, "UNAVAILABLE"));
  MakeGrpc("5");  // the caller's fault
  spans = Spans();
  EXPECT_EQ(ErrorOf(spans[0]), kNone);
  EXPECT_EQ(ErrorOf(spans[1]), Error(true, "NOT_FOUND"));
}

// Only the last attempt has the outcome of the request.
TEST_F(SpanAttributesTest, OfAnAttemptThatIsMadeAgain) {
  MakeGrpc("14");
  AttemptTrace second = attempt_;
  second.upstream = *SocketAddress::Parse("2001:db8::7", 81);
  AddAttempt(second);
  attempt_.status = 0;
  attempt_.failure = {FailureKind::kConnectRefused};
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 3u);
  const Attributes first = AttributesOf(spans[1]), last = AttributesOf(spans[2]);
  EXPECT_EQ(ErrorOf(spans[1]).second, FailureKind::kConnectRefused.facts().cause);
  for (const char* absent :
       {"rpc.response.status_code", "http.response.status_code", "http.request.resend_count"}) {
    EXPECT_FALSE(first.contains(absent)) << absent;
  }
  EXPECT_EQ(last.at("http.request.resend_count"), "1");
  EXPECT_EQ(last.at("network.peer.address"), "2001:db8::7");
  EXPECT_EQ(ErrorOf(spans[2]).second, "UNAVAILABLE");
}

TEST_F(SpanAttributesTest, ThereAreFewNames) {
  Match({route::PathKind::kPrefix, "/"});
  head_.method = "BREW";
  std::vector<Span> spans = Spans();
  EXPECT_EQ(spans[0].name(), "HTTP");
  EXPECT_EQ(spans[1].name(), "HTTP");
  EXPECT_EQ(AttributesOf(spans[0]).at("http.request.method"), "_OTHER");
  EXPECT_EQ(AttributesOf(spans[0]).at("http.request.method_original"), "BREW");
  EXPECT_FALSE(AttributesOf(spans[0]).contains("http.route"));
  const std::string long_path = "/" + std::string(1000, 'a');
  Match({route::PathKind::kExact, long_path});
  EXPECT_EQ(Spans()[0].name(), "HTTP " + long_path.substr(0, 251));
  Match({route::PathKind::kRegex, "/users/[0-9]+"});
  EXPECT_EQ(Spans()[0].name(), "HTTP /users/[0-9]+");
  Match({route::PathKind::kPrefix, "/api"});
  EXPECT_EQ(Spans()[0].name(), "HTTP /api*");
  Match({route::PathKind::kPrefix, "/api"}, "checkout");
  spans = Spans();
  EXPECT_EQ(spans[0].name(), "checkout");
  EXPECT_EQ(spans[1].name(), "HTTP");
}

TEST_F(SpanAttributesTest, WithoutAPortAClientSpanHasThatOfTheScheme) {
  head_.authority = "web";
  std::vector<Span> spans = Spans();
  EXPECT_FALSE(AttributesOf(spans[0]).contains("server.port"));
  EXPECT_EQ(AttributesOf(spans[1]).at("server.port"), "80");
  record_.upstream.is_tls = true;
  spans = Spans();
  EXPECT_EQ(AttributesOf(spans[1]).at("server.port"), "443");
  EXPECT_TRUE(AttributesOf(spans[1]).at("url.full").starts_with("https://web/"));
}

// A request that meets a thousand things has spans that a collector takes.
TEST_F(SpanAttributesTest, EventsAreBounded) {
  for (int i = 0; i < 1000; ++i)
    decisions_.Add({DecisionKind::kRetry, true, "status", "retry_on matches", {}, {.status = 503}});
  EXPECT_EQ(Spans()[0].events_size(), 32);
}

}  // namespace
}  // namespace tulle::proxy
