// What the spans of a request tell of its way through a listener, in the simulator: attempts with
// their own times, events, and the time that the mesh added. A request that is not sampled tells
// the same at its end.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/policy/fault.h"
#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/span_log.h"
#include "sidecar/proxy/testing/kept_spans.h"
#include "sidecar/proxy/testing/tcp_world.h"
#include "sidecar/route/retry_on.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AttributeOf;
using testing::Attributes;
using testing::AttributesOf;
using testing::DurationOf;
using testing::MeshTimeOf;
using testing::Span;
using Event = std::pair<std::string, Attributes>;

// Of what the simulated network takes for a connection and some bytes.
constexpr uint64_t kNetwork = 5000;  // microseconds

// The parameter: the request is sampled.
class RequestHistoryTest : public testing::TcpWorld, public ::testing::WithParamInterface<bool> {
 protected:
  RequestHistoryTest() {
    tracing_.random_sampling = GetParam() ? 1000000 : 0;
    tracing_.always_on_error = true;
    tracing_.slower_than = milliseconds(1);
    tracing_.span_per_attempt = true;
    http_.codec = config::CodecChoice::kHttp1;
    forward_.clusters = {{"c", 1}};
    watcher_.on_request_end = [this](const Call& call) {
      log_.Write(
          {{call.chain.owner, call.chain.direction, call.caller.identity(), call.caller.is_tls(),
            call.caller.peer_address(), call.caller.local_address(), call.caller.sni()},
           call.record,
           call.response.head,
           {},
           call.decisions});
      log_.Flush();
    };
  }
  void Start() {
    PutCluster({backend_.address()});
    http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
    route::RouteSpec route;
    route.action = forward_;
    http_.routes = *route::RouteTable::Compile({"r", {{"h", {"*"}, {std::move(route)}}}});
    auto chain = std::make_shared<config::FilterChainSpec>();
    chain->proxy = http_;
    auto spec = std::make_shared<config::ListenerSpec>(listener_spec_);
    spec->chains = {std::move(chain)};
    listener_.emplace(services_, std::move(spec));
    int error = 0;
    ASSERT_TRUE(listener_->Listen(&error));
    Dial();
  }
  void Ask() { client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); }
  void Answer(std::string_view status = "200 OK") {
    backend_.ends.back()->Send("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\n\r\n");
  }
  // The backend answers that after that time.
  void AnswerAfter(milliseconds time, std::string_view status = "200 OK") {
    Pass(time);
    Answer(status);
    Pass(milliseconds(2));
  }
  void RetryOn5xx(uint32_t retries) {
    forward_.retry.emplace();
    forward_.retry->on = route::kRetryOn5xx;
    forward_.retry->attempts_after_first = retries;
    forward_.retry->base_interval = forward_.retry->max_interval = milliseconds(20);
  }
  std::vector<Event> EventsOf(const Span& span) {
    std::vector<Event> events;
    uint64_t last = span.start_time_unix_nano();
    for (const auto& event : span.events()) {
      EXPECT_GE(event.time_unix_nano(), last);
      EXPECT_LE(event.time_unix_nano(), span.end_time_unix_nano());
      last = event.time_unix_nano();
      events.emplace_back(event.name(), AttributesOf(event));
    }
    return events;
  }
  // The spans of one request: its server span, and the attempts.
  std::vector<Span> Spans() {
    std::vector<Span> spans = sink_.Take();
    if (spans.empty()) {
      ADD_FAILURE() << "no spans";
      return {Span()};
    }
    EXPECT_EQ(AttributeOf(spans[0], "tulle.sampling.reason") == "(none)", GetParam());
    ExpectTimesAddUp(spans);
    return spans;
  }
  // The mesh's time of the request is all but that of upstreams, and of an attempt likewise.
  static void ExpectTimesAddUp(const std::vector<Span>& spans) {
    uint64_t upstreams = 0;
    for (size_t i = 1; i < spans.size(); ++i) {
      EXPECT_EQ(spans[i].parent_span_id(), spans[0].span_id());
      EXPECT_GE(spans[i].start_time_unix_nano(), spans[i - 1].start_time_unix_nano());
      EXPECT_LE(spans[i].end_time_unix_nano(), spans[0].end_time_unix_nano());
      EXPECT_LE(MeshTimeOf(spans[i]), DurationOf(spans[i]));
      upstreams += DurationOf(spans[i]) - MeshTimeOf(spans[i]);
    }
    EXPECT_NEAR(static_cast<double>(MeshTimeOf(spans[0])),
                static_cast<double>(DurationOf(spans[0]) - upstreams), 3.0);
  }

  config::TracingSpec tracing_;
  config::HttpSpec http_;
  route::ForwardSpec forward_;
  telemetry::Registry registry_;
  testing::KeptSpans sink_;
  SpanLog log_{*loop_, &sink_, registry_};
};

INSTANTIATE_TEST_SUITE_P(Sampled, RequestHistoryTest, ::testing::Bool());

TEST_P(RequestHistoryTest, TheTimeOfTheUpstreamIsNotTheMeshs) {
  Start();
  Ask();
  AnswerAfter(milliseconds(70));
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_GE(DurationOf(spans[0]), 70'000 - kNetwork);
  EXPECT_LE(MeshTimeOf(spans[0]), kNetwork);
  EXPECT_LE(MeshTimeOf(spans[1]), kNetwork);
}

TEST_P(RequestHistoryTest, AnInjectedDelayIsTheMeshsAndNotTheAttempts) {
  http_.injects_faults = true;
  http_.fault = *policy::FaultInjection::Compile(
      {.delay = policy::FaultSpec::Delay{milliseconds(40), false, 1000000},
       .abort = {},
       .headers = {},
       .cluster = {},
       .most_active = {}});
  Start();
  Ask();
  Pass(milliseconds(40));
  AnswerAfter(milliseconds(70));
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_GE(DurationOf(spans[0]), 110'000 - kNetwork);
  EXPECT_GE(MeshTimeOf(spans[0]), 40'000u);
  EXPECT_LE(MeshTimeOf(spans[0]), 40'000 + kNetwork);
  EXPECT_LE(MeshTimeOf(spans[1]), kNetwork);
  EXPECT_GE(spans[1].start_time_unix_nano() - spans[0].start_time_unix_nano(), 40'000'000u);
  EXPECT_EQ(EventsOf(spans[0]),
            (std::vector<Event>{{"fault", {{"fault.type", "delay"}, {"fault.delay_ms", "40"}}}}));
}

TEST_P(RequestHistoryTest, AnInjectedFailureIsAnEvent) {
  http_.injects_faults = true;
  http_.fault =
      *policy::FaultInjection::Compile({.delay = {},
                                        .abort = policy::FaultSpec::Abort{418, -1, false, 1000000},
                                        .headers = {},
                                        .cluster = {},
                                        .most_active = {}});
  Start();
  Ask();
  Pass();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(EventsOf(spans[0]),
            (std::vector<Event>{{"fault", {{"fault.type", "abort"}, {"fault.status", "418"}}}}));
}

TEST_P(RequestHistoryTest, EachAttemptHasItsOwnTimes) {
  RetryOn5xx(2);
  Start();
  Ask();
  AnswerAfter(milliseconds(70), "503 Service Unavailable");
  Pass(milliseconds(20));
  AnswerAfter(milliseconds(10), "502 Bad Gateway");
  Pass(milliseconds(20));
  AnswerAfter(milliseconds(30), "500 Oops");
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 4u);
  const std::string statuses[] = {"500", "503", "502", "500"};
  for (size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(AttributeOf(spans[i], "http.response.status_code"), statuses[i]) << i;
    EXPECT_EQ(AttributeOf(spans[i], "http.request.resend_count"),
              i < 2 ? "(none)" : std::to_string(i - 1));
    if (i > 1) {
      EXPECT_GE(spans[i].start_time_unix_nano(), spans[i - 1].end_time_unix_nano());
    }
  }
  EXPECT_NEAR(static_cast<double>(DurationOf(spans[1])), 70'000, kNetwork);
  EXPECT_GE(DurationOf(spans[2]), 10'000u);  // it began within the 20 milliseconds before
  EXPECT_LE(DurationOf(spans[2]), 32'000u);
  EXPECT_GE(DurationOf(spans[3]), 30'000u);
  EXPECT_LE(DurationOf(spans[3]), 52'000u);
  EXPECT_EQ(EventsOf(spans[0]),
            (std::vector<Event>{
                {"retry", {{"retry.reason", "503"}}},
                {"retry", {{"retry.reason", "502"}}},
                {"retry refused", {{"retry.reason", "500"}, {"retry.refusal", "no retries left"}}},
            }));
  EXPECT_EQ(spans[0].events(0).time_unix_nano(), spans[1].end_time_unix_nano());
}

// The span names what failed, and the first attempt where it went.
TEST_P(RequestHistoryTest, AnAttemptThatDoesNotConnectHasASpan) {
  RetryOn5xx(1);
  cluster_.connect_timeout = milliseconds(50);
  const SocketAddress nowhere = *SocketAddress::Parse("10.9.9.9", 80);
  Start();
  PutCluster({nowhere});
  Ask();
  Pass(seconds(1));
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 3u);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(AttributeOf(spans[i], "network.peer.address"), "10.9.9.9");
    EXPECT_EQ(AttributeOf(spans[i], "error.type"), FailureKind::kConnectTimeout.facts().cause);
    EXPECT_EQ(AttributeOf(spans[i], "http.response.status_code"), "(none)");
    EXPECT_NEAR(static_cast<double>(DurationOf(spans[i])), 50'000, kNetwork);
    EXPECT_EQ(MeshTimeOf(spans[i]), DurationOf(spans[i]));  // no upstream was waited for
  }
}

TEST_P(RequestHistoryTest, ARateLimitTellsItsNumbers) {
  policy::RateLimitSpec limit;
  limit.bucket = policy::BucketSpec{2, 2, seconds(1000)};
  limit.enabled_per_million = limit.enforced_per_million = 1000000;
  http_.rate_limits = {{"calls", std::make_shared<policy::LocalRateLimit>(limit)}};
  tracing_.slower_than = seconds(10);
  Start();
  for (int i = 0; i < 2; ++i) {
    Ask();
    AnswerAfter(milliseconds(1));
  }
  if (GetParam()) sink_.Take();
  Ask();
  Pass();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(EventsOf(spans[0]), (std::vector<Event>{{"rate limit",
                                                     {{"limit.name", "calls"},
                                                      {"limit.result", "limit exceeded"},
                                                      {"limit.used", "2"},
                                                      {"limit.allowed", "2"}}}}));
}

TEST_P(RequestHistoryTest, AFullClusterTellsItsNumbers) {
  cluster_.caps.requests = 0;
  Start();
  Ask();
  Pass();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(EventsOf(spans[0]), (std::vector<Event>{{"cluster limit",
                                                     {{"limit.name", "max_requests"},
                                                      {"limit.result", "limit reached"},
                                                      {"limit.used", "0"},
                                                      {"limit.allowed", "0"}}}}));
}

TEST_P(RequestHistoryTest, AFullQueueTellsItsNumbers) {
  cluster_.caps.pending_requests = 0;
  Start();
  Ask();
  Pass();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(EventsOf(spans[0]).at(0),
            Event("cluster limit", {{"limit.name", "max_pending_requests"},
                                    {"limit.result", "too many pending requests"},
                                    {"limit.used", "0"},
                                    {"limit.allowed", "0"}}));
}

TEST_P(RequestHistoryTest, TheRequestThatOpensABreakerSaysSoAndTheNextOneThatItIsOpen) {
  cluster_.breaker.emplace();
  cluster_.breaker->errors = {1, 100};
  cluster_.breaker->always_one = true;
  cluster_.panic_percent = 0;  // else the only endpoint is used even so
  Start();
  Ask();
  AnswerAfter(milliseconds(5), "503 Service Unavailable");
  std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(EventsOf(spans[0]),
            (std::vector<Event>{{"circuit breaker",
                                 {{"breaker.of", backend_.address().ToString()},
                                  {"breaker.state", "opened by this attempt"}}}}));
  Ask();
  Pass();
  spans = Spans();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(EventsOf(spans[0]),
            (std::vector<Event>{
                {"circuit breaker",
                 {{"breaker.of", "c"}, {"breaker.state", "open for each endpoint left"}}}}));
}

}  // namespace
}  // namespace tulle::proxy
