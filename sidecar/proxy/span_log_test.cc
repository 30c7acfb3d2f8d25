// Which requests that were not sampled have spans, made at their end.
#include "sidecar/proxy/span_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sidecar/proxy/testing/span_world.h"

namespace tulle::proxy {
namespace {

using testing::AttributeOf;
using testing::kOwn;
using testing::kParent;
using testing::milliseconds;
using testing::Span;

class SpanLogTest : public testing::SpanWorld {};

TEST_F(SpanLogTest, WhatSucceedsInTimeIsNotReported) {
  Write();
  TakesFor(milliseconds(500));
  Write();
  EXPECT_TRUE(sink_.empty());
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
  EXPECT_EQ(AttributeOf(spans[0], "tulle.sampling.reason"), "error");
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
  EXPECT_EQ(AttributeOf(spans[0], "tulle.sampling.reason"), "slow");
  EXPECT_EQ(spans[0].end_time_unix_nano() - spans[0].start_time_unix_nano(), 501000000u);
  EXPECT_EQ(spans[0].status().code(), 0);
}

TEST_F(SpanLogTest, AnUpgradedConnectionIsNotSlow) {
  TakesFor(milliseconds(60000));
  head_.upgrade_wanted = true;
  Write();
  EXPECT_TRUE(sink_.empty());
}

TEST_F(SpanLogTest, WhatWasNotSentHasNoSpanOfAnAttempt) {
  record_.status = 404;
  record_.routed.cluster = {};
  record_.upstream.address = {};
  record_.retries.attempts = 0;
  Write();
  EXPECT_EQ(Spans().size(), 1u);
}

// As many as a sampled request has, and the last one is among them only if there is room.
TEST_F(SpanLogTest, AttemptsThatEndedBeforeHaveSpansToo) {
  record_.status = 503;
  AttemptTraces ended;
  std::vector<AttemptTrace> attempts(AttemptTraces::kMost);
  record_.tracing.ended = &ended;
  for (uint32_t i = 0; i < attempts.size(); ++i) {
    attempts[i].started = record_.times.started;
    attempts[i].ended = record_.times.started + milliseconds(i);
    attempts[i].status = 502;
    ended.Add(attempts[i]);
    ended.count = i + 1;
    record_.retries.attempts = i + 2;
    Write();
    const std::vector<Span> spans = Spans();
    ASSERT_EQ(spans.size(), std::min<size_t>(i + 3, 17)) << i;
    EXPECT_EQ(AttributeOf(spans[i + 1], "http.response.status_code"), "502");
    EXPECT_EQ(AttributeOf(spans[i + 1], "http.request.resend_count"),
              i == 0 ? "(none)" : std::to_string(i));
    EXPECT_EQ(testing::DurationOf(spans[i + 1]), i * 1000);
    EXPECT_NE(spans[i + 1].span_id(), spans[i].span_id());
    if (i + 2 < spans.size()) {
      EXPECT_EQ(AttributeOf(spans[i + 2], "http.response.status_code"), "503");
    }
    if (i % 8 == 7) simulation_.RunFor(std::chrono::seconds(1));
  }
}

TEST_F(SpanLogTest, EachOfTheTwoCanBeOff) {
  tracing_.always_on_error = false;
  record_.status = 503;
  Write();
  EXPECT_TRUE(sink_.empty());
  tracing_.slower_than = milliseconds(0);
  TakesFor(milliseconds(60000));
  Write();
  EXPECT_TRUE(sink_.empty());
}

TEST_F(SpanLogTest, WithoutTracingNothingIsReported) {
  record_.tracing = {};
  record_.status = 503;
  Write();
  EXPECT_TRUE(sink_.empty());
}

TEST_F(SpanLogTest, AnOutageIsReportedInPartAndCounted) {
  record_.status = 503;
  for (int i = 0; i < 25; ++i) Write();
  EXPECT_EQ(Spans().size(), 20u);
  EXPECT_EQ(Dropped("late_limit"), 30u);
  simulation_.RunFor(std::chrono::seconds(1));
  Write();
  EXPECT_EQ(Spans().size(), 2u);
}

}  // namespace
}  // namespace tulle::proxy
