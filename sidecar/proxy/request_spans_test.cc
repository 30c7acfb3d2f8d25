// The trace that a request belongs to: which headers go on, and which spans there are.
#include "sidecar/proxy/request_spans.h"

#include <gtest/gtest.h>

#include "sidecar/proxy/testing/call_world.h"

namespace tulle::proxy {
namespace {

constexpr char kParent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kNotSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class RequestSpansTest : public testing::CallWorld {
 protected:
  RequestSpansTest() { http_.tracing = std::make_shared<config::TracingSpec>(tracing_); }
  void Begin() { call().spans.Begin(call()); }
  config::TracingSpec tracing_;
};

TEST_F(RequestSpansTest, WithoutTracingHeadersPassUnchanged) {
  http_.tracing = nullptr;
  head_.headers.Add("traceparent", "garbage");
  Begin();
  EXPECT_EQ(Header("traceparent"), "garbage");
  EXPECT_TRUE(call().record.tracing.id.empty());
}

TEST_F(RequestSpansTest, ContinuesTheTraceOfTheCaller) {
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("tracestate", "vendor=1");
  Begin();
  const std::string_view sent = Header("traceparent");
  EXPECT_EQ(sent.substr(0, 36), std::string_view(kParent).substr(0, 36));
  EXPECT_NE(sent, kParent);  // a span of our own
  EXPECT_EQ(Header("tracestate"), "vendor=1");
  ASSERT_NE(call().record.tracing.spans, nullptr);
  EXPECT_EQ(call().record.tracing.spans->parent, 0xb7ad6b7169203331u);
  EXPECT_EQ(call().record.tracing.id, "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(RequestSpansTest, WhatIsNotSampledGoesOnAsItCame) {
  head_.headers.Add("traceparent", kNotSampled);
  Begin();
  EXPECT_EQ(Header("traceparent"), kNotSampled);
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  EXPECT_EQ(call().record.tracing.id, "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(RequestSpansTest, InvalidOrDoubleParentBeginsANewTrace) {
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("traceparent", kParent);
  head_.headers.Add("tracestate", "vendor=1");
  Begin();
  EXPECT_NE(Header("traceparent").substr(3, 32), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(Header("tracestate"), "(none)");
}

TEST_F(RequestSpansTest, EachAttemptHasASpanWithItsEnd) {
  tracing_.span_per_attempt = true;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  Begin();
  Call& one = call();
  const std::string first(Header("traceparent"));
  one.spans.BeginAttempt(one, *SocketAddress::Parse("10.0.0.2", 80));
  EXPECT_NE(Header("traceparent"), first);
  one.spans.EndAttempt(one, 503, {});
  one.spans.EndAttempt(one, 200, {});  // only the first end counts
  one.spans.BeginAttempt(one, *SocketAddress::Parse("10.0.0.3", 80));
  const RequestTrace& trace = *one.record.tracing.spans;
  ASSERT_EQ(trace.attempts, 2);
  EXPECT_EQ(trace.first->status, 503);
  EXPECT_EQ(trace.first->next, trace.last);
  EXPECT_EQ(trace.last->upstream, *SocketAddress::Parse("10.0.0.3", 80));
}

TEST_F(RequestSpansTest, SamplingOfNoneKeepsTheTraceIdAndMakesNoSpans) {
  tracing_.overall_sampling = 0;
  http_.tracing = std::make_shared<config::TracingSpec>(tracing_);
  Begin();
  EXPECT_EQ(call().record.tracing.spans, nullptr);
  EXPECT_TRUE(Header("traceparent").ends_with("-00"));
}

}  // namespace
}  // namespace tulle::proxy
