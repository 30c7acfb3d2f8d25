#include "control-plane/insight/trace_ring.h"

#include <gtest/gtest.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "telemetry/otlp_request.h"
#include "telemetry/otlp_span.h"

namespace tulle::insight {
namespace {

std::string RequestOf(uint64_t trace, uint64_t span, uint64_t start) {
  std::string spans;
  telemetry::SpanHead head;
  head.context = {1, trace, span, 1};
  head.name = "GET";
  head.start_ns = start;
  head.end_ns = start + 1000;
  telemetry::SpanWriter writer(spans, head);
  writer.Text("url.path", "/x");
  writer.Number("http.response.status_code", 200);
  writer.BeginEvent(start + 500, "retry");
  writer.Text("retry.reason", "503");
  writer.EndEvent();
  writer.End();
  std::string resource;
  telemetry::AppendResourceAttribute("service.name", "web", resource);
  return telemetry::MakeExportRequest(resource, spans);
}

TEST(TraceRing, SpansOfATraceComeTogether) {
  TraceRing ring;
  ASSERT_TRUE(ring.Add(RequestOf(7, 2, 200), "spiffe://m/ns/default/sa/web"));
  ASSERT_TRUE(ring.Add(RequestOf(8, 3, 150), ""));
  ASSERT_TRUE(ring.Add(RequestOf(7, 1, 100), ""));
  const auto trace = ring.Find("00000000000000010000000000000007");
  ASSERT_TRUE(trace.has_value());
  ASSERT_EQ(trace->spans.size(), 2u);
  const Span& last = trace->spans[1];
  EXPECT_EQ(last.span_id, "0000000000000002");
  EXPECT_EQ(last.service, "web");
  EXPECT_EQ(last.reporter, "spiffe://m/ns/default/sa/web");
  EXPECT_EQ(last.kind, "server");
  EXPECT_EQ(last.attributes[1],
            (std::pair<std::string, std::string>{"http.response.status_code", "200"}));
  ASSERT_EQ(last.events.size(), 1u);
  EXPECT_EQ(last.events[0].at_ns, 700u);
  EXPECT_EQ(last.events[0].name, "retry");
  EXPECT_EQ(last.events[0].attributes, (SpanAttributes{{"retry.reason", "503"}}));
  EXPECT_EQ(ring.Find("00000000000000010000000000000008")->spans.size(), 1u);
  EXPECT_FALSE(ring.Find("x").has_value());
}

TEST(TraceRing, ASearchFindsTheNewest) {
  TraceRing ring;
  ASSERT_TRUE(ring.Add(RequestOf(7, 1, 100), ""));
  ASSERT_TRUE(ring.Add(RequestOf(8, 2, 150), ""));
  ASSERT_TRUE(ring.Add(RequestOf(7, 3, 200), ""));
  ASSERT_TRUE(ring.Add(RequestOf(9, 4, 250), ""));
  const FoundTraces found = ring.Search({}, 2);
  EXPECT_EQ(found.known, 3u);
  EXPECT_EQ(found.matching, 3u);
  ASSERT_EQ(found.traces.size(), 2u);
  EXPECT_EQ(found.traces[0].id, "00000000000000010000000000000009");
  EXPECT_EQ(found.traces[1].id, "00000000000000010000000000000007");
  EXPECT_EQ(found.traces[1].spans, 2u);
  EXPECT_EQ(found.traces[1].start_ns, 100u);
  TraceFilter other;
  other.path = "/y";
  EXPECT_EQ(ring.Search(other, 9).matching, 0u);
}

TEST(TraceRing, OldSpansMakeRoom) {
  TraceRing ring;
  for (uint64_t i = 0; i < TraceRing::kMostSpans + 10; ++i) ring.Add(RequestOf(i + 1, 1, i), "");
  EXPECT_EQ(ring.size(), TraceRing::kMostSpans);
  EXPECT_FALSE(ring.Find("00000000000000010000000000000001").has_value());
}

TEST(TraceRing, OneReporterDoesNotPushOutTheOthers) {
  TraceRing ring;
  ring.Add(RequestOf(1, 1, 1), "quiet");
  for (uint64_t i = 0; i < 2 * TraceRing::kMostSpans; ++i) ring.Add(RequestOf(i + 2, 1, i), "loud");
  EXPECT_EQ(ring.size(), TraceRing::kMostSpans);
  EXPECT_TRUE(ring.Find("00000000000000010000000000000001").has_value());
  EXPECT_FALSE(ring.Find("00000000000000010000000000000002").has_value());
  for (uint64_t i = 0; i < TraceRing::kMostSpans; ++i)
    ring.Add(RequestOf(i + 2, 2, i), "r" + std::to_string(i % 20));
  EXPECT_EQ(ring.size(), TraceRing::kMostSpans);
  EXPECT_FALSE(ring.Find("00000000000000010000000000000001").has_value()) << "the oldest";
}

// One span with as many and as large attributes as there may be; the first one with events too.
std::string LargeRequest(int number) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  auto& span = *request.add_resource_spans()->add_scope_spans()->add_spans();
  span.set_trace_id(std::string(16, 'a'));
  span.set_span_id("span" + std::to_string(1000 + number));
  const auto fill = [](auto* attributes) {
    for (int i = 0; i < 64; ++i) {
      auto& each = *attributes->Add();
      each.set_key(std::string(512, 'k'));
      each.mutable_value()->set_string_value(std::string(512, 'v'));
    }
  };
  fill(span.mutable_attributes());
  for (int i = 0; number == 0 && i < 32; ++i) fill(span.add_events()->mutable_attributes());
  return request.SerializeAsString();
}

TEST(TraceRing, LargeSpansOfOneReporterLeaveThoseOfOthers) {
  TraceRing ring;
  ring.Add(RequestOf(1, 1, 1), "quiet");
  ring.Add(LargeRequest(0), "loud");
  const size_t one = ring.bytes();
  EXPECT_LT(one, TraceRing::kLargestSpan + 2048);
  for (int i = 1; i < 1500; ++i) ring.Add(LargeRequest(i), "loud");
  EXPECT_LE(ring.bytes(), TraceRing::kMostBytes);
  EXPECT_TRUE(ring.Find("00000000000000010000000000000001").has_value());
}

TEST(TraceRing, SpansWhoseParentIsNoIdAreDropped) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  auto& span = *request.add_resource_spans()->add_scope_spans()->add_spans();
  span.set_trace_id(std::string(16, 'a'));
  span.set_span_id(std::string(8, 'b'));
  span.set_parent_span_id(std::string(1000, 'c'));
  TraceRing ring;
  EXPECT_TRUE(ring.Add(request.SerializeAsString(), ""));
  EXPECT_EQ(ring.size(), 0u);
  span.set_parent_span_id(std::string(8, 'c'));
  EXPECT_TRUE(ring.Add(request.SerializeAsString(), ""));
  EXPECT_EQ(ring.size(), 1u);
}

TEST(TraceRing, WhatIsNoRequestIsRefused) {
  TraceRing ring;
  EXPECT_FALSE(ring.Add("\xff\xff\xff", ""));
  EXPECT_TRUE(ring.Add("", ""));
}

}  // namespace
}  // namespace tulle::insight
