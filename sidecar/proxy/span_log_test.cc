// Spans of requests that were not sampled, made at their end.
#include "sidecar/proxy/span_log.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/base/arena.h"
#include "net/loop/sim/simulation.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "sidecar/proxy/trace_record.h"
#include "telemetry/families.h"
#include "telemetry/otlp_request.h"
#include "telemetry/otlp_span.h"

namespace tulle::proxy {
namespace {

using opentelemetry::proto::trace::v1::Span;
using std::chrono::milliseconds;

constexpr uint64_t kParent = 0xb7ad6b7169203331, kOwn = 0x00f067aa0ba902b7;

struct KeptSpans final : CollectorSink {
  bool Submit(const std::shared_ptr<const config::CollectorSpec>&, std::string& taken,
              uint64_t, bool) override {
    spans += taken;
    taken.clear();
    return true;
  }
  std::string spans;
};

class SpanLogTest : public ::testing::Test {
 protected:
  SpanLogTest() {
    tracing_.span_per_attempt = true;
    tracing_.always_on_error = true;
    tracing_.slower_than = milliseconds(500);
    head_.method = "GET";
    record_.request = &head_;
    record_.original_path = "/x";
    record_.status = 200;
    record_.routed.cluster = "c";
    record_.times.started = loop::Instant(milliseconds(1000));
    record_.times.ended = loop::Instant(milliseconds(1001));
    record_.upstream.address = *SocketAddress::Parse("10.0.0.2", 80);
    record_.retries.attempts = 1;
    record_.tracing.id = "0af7651916cd43dd8448eb211c80319c";
    record_.tracing.span = kOwn;
  }

  void Write() {
    auto chain = std::make_shared<config::FilterChainSpec>();
    config::HttpSpec http;
    http.tracing = std::make_shared<config::TracingSpec>(tracing_);
    chain->proxy = http;
    const std::shared_ptr<const config::FilterChainSpec> spec = chain;
    log_.Write({{spec, config::Direction::kOutbound, nullptr, false, {}, {}, {}}, record_});
    log_.Flush();
  }
  void TakesFor(milliseconds duration) { record_.times.ended = record_.times.started + duration; }

  // All since the last call.
  std::vector<Span> Spans() {
    opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
    EXPECT_TRUE(
        request.ParseFromString(telemetry::MakeExportRequest("", std::exchange(sink_.spans, {}))));
    const auto& spans = request.resource_spans(0).scope_spans(0).spans();
    return {spans.begin(), spans.end()};
  }
  static std::string Reason(const Span& span) {
    for (const auto& attribute : span.attributes()) {
      if (attribute.key() == "tulle.sampling.reason") return attribute.value().string_value();
    }
    return "";
  }
  uint64_t Suppressed() {
    const std::string_view reason = "late_limit";
    return registry_.CounterRow(telemetry::kSpansDropped, {&reason, 1}).value();
  }

  sim::Simulation simulation_{5};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  Arena arena_{loop_->slab()};
  http::Head head_{arena_};
  config::TracingSpec tracing_;
  DecisionRecord record_;
  telemetry::Registry registry_;
  KeptSpans sink_;
  SpanLog log_{*loop_, &sink_, registry_};
};

TEST_F(SpanLogTest, WhatSucceedsInTimeIsNotReported) {
  Write();
  TakesFor(milliseconds(500));
  Write();
  EXPECT_TRUE(sink_.spans.empty());
}

TEST_F(SpanLogTest, AFailureIsReportedUnderTheSpanThatTheUpstreamWasTold) {
  record_.status = 503;
  Write();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].trace_id(), std::string("\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c"
                                             "\x80\x31\x9c"));
  EXPECT_EQ(spans[0].span_id(), std::string("\0\xf0\x67\xaa\x0b\xa9\x02\xb7", 8));
  EXPECT_EQ(spans[0].parent_span_id(), "");
  EXPECT_EQ(spans[0].status().code(), opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(Reason(spans[0]), "error");
  EXPECT_EQ(spans[1].parent_span_id(), spans[0].span_id());
}

TEST_F(SpanLogTest, OfATraceThatIsContinuedTheCallersSpanIsTheParent) {
  record_.tracing.span = 0;
  record_.tracing.parent = kParent;
  record_.grpc_status = "14";
  Write();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].parent_span_id(), std::string("\xb7\xad\x6b\x71\x69\x20\x33\x31"));
  EXPECT_EQ(spans[0].span_id().size(), 8u);
  EXPECT_NE(spans[0].span_id(), std::string(8, '\0'));
}

TEST_F(SpanLogTest, ASlowRequestIsReported) {
  TakesFor(milliseconds(501));
  Write();
  const std::vector<Span> spans = Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(Reason(spans[0]), "slow");
  EXPECT_EQ(spans[0].end_time_unix_nano() - spans[0].start_time_unix_nano(), 501000000u);
  EXPECT_EQ(spans[0].status().code(), 0);
}

TEST_F(SpanLogTest, AnUpgradedConnectionIsNotSlow) {
  TakesFor(milliseconds(60000));
  head_.upgrade_wanted = true;
  Write();
  EXPECT_TRUE(sink_.spans.empty());
}

TEST_F(SpanLogTest, WhatWasNotSentHasNoSpanOfAnAttempt) {
  record_.status = 404;
  record_.routed.cluster = {};
  record_.upstream.address = {};
  Write();
  EXPECT_EQ(Spans().size(), 1u);
}

TEST_F(SpanLogTest, EachOfTheTwoCanBeOff) {
  tracing_.always_on_error = false;
  record_.status = 503;
  Write();
  EXPECT_TRUE(sink_.spans.empty());
  tracing_.slower_than = milliseconds(0);
  TakesFor(milliseconds(60000));
  Write();
  EXPECT_TRUE(sink_.spans.empty());
}

TEST_F(SpanLogTest, WithoutTracingNothingIsReported) {
  record_.tracing = {};
  record_.status = 503;
  Write();
  EXPECT_TRUE(sink_.spans.empty());
}

TEST_F(SpanLogTest, AnOutageIsReportedInPartAndCounted) {
  record_.status = 503;
  for (int i = 0; i < 25; ++i) Write();
  EXPECT_EQ(Spans().size(), 20u);
  EXPECT_EQ(Suppressed(), 30u);
  simulation_.RunFor(std::chrono::seconds(1));
  Write();
  EXPECT_EQ(Spans().size(), 2u);
}

}  // namespace
}  // namespace tulle::proxy
