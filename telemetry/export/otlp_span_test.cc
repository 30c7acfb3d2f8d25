#include "telemetry/otlp_span.h"

#include <gtest/gtest.h>

#include <map>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "telemetry/otlp_request.h"

namespace tulle::telemetry {
namespace {

using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;

// Reads our spans with OTLP's own messages.
Request Read(const std::string& spans) {
  std::string resource;
  AppendResourceAttribute("service.name", "web", resource);
  Request request;
  EXPECT_TRUE(request.ParseFromString(MakeExportRequest(resource, spans)));
  return request;
}

// Of a span or an event.
template <typename Holder>
std::map<std::string, std::string> TextsOf(const Holder& holder) {
  std::map<std::string, std::string> texts;
  for (const auto& attribute : holder.attributes()) {
    texts[attribute.key()] = attribute.value().has_string_value()
                                 ? attribute.value().string_value()
                                 : std::to_string(attribute.value().int_value());
  }
  return texts;
}

SpanHead Head() {
  SpanHead head;
  head.context = {0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 1};
  head.parent = 0x3132333435363738;
  head.parent_is_remote = true;
  head.name = "GET /x";
  head.tracestate = "a=1";
  head.start_ns = 1700000000000000000;
  head.end_ns = 1700000000500000000;
  return head;
}

TEST(SpanWriter, ACollectorReadsWhatIsWritten) {
  std::string spans;
  SpanWriter first(spans, Head());
  first.Text("url.path", "/x");
  first.Number("http.response.status_code", 503);
  first.Error("upstream");
  first.End();
  SpanHead head = Head();
  head.kind = SpanKind::kClient;
  head.parent = 0;
  SpanWriter second(spans, head);
  second.End();

  const Request request = Read(spans);
  ASSERT_EQ(request.resource_spans_size(), 1);
  EXPECT_EQ(request.resource_spans(0).resource().attributes(0).value().string_value(), "web");
  ASSERT_EQ(request.resource_spans(0).scope_spans_size(), 1);
  const auto& scope = request.resource_spans(0).scope_spans(0);
  EXPECT_EQ(scope.scope().name(), "tulle");
  ASSERT_EQ(scope.spans_size(), 2);
  const auto& span = scope.spans(0);
  EXPECT_EQ(span.trace_id(), std::string("\1\2\3\4\5\6\7\x8\x11\x12\x13\x14\x15\x16\x17\x18"));
  EXPECT_EQ(span.span_id(), std::string("\x21\x22\x23\x24\x25\x26\x27\x28"));
  EXPECT_EQ(span.parent_span_id(), std::string("\x31\x32\x33\x34\x35\x36\x37\x38"));
  EXPECT_EQ(span.name(), "GET /x");
  EXPECT_EQ(span.trace_state(), "a=1");
  EXPECT_EQ(span.kind(), opentelemetry::proto::trace::v1::Span::SPAN_KIND_SERVER);
  EXPECT_EQ(span.end_time_unix_nano() - span.start_time_unix_nano(), 500000000u);
  EXPECT_EQ(span.flags(), 0x301u);
  EXPECT_EQ(TextsOf(span), (std::map<std::string, std::string>{
                               {"url.path", "/x"}, {"http.response.status_code", "503"}}));
  EXPECT_EQ(span.status().code(), opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(scope.spans(1).kind(), opentelemetry::proto::trace::v1::Span::SPAN_KIND_CLIENT);
  EXPECT_EQ(scope.spans(1).parent_span_id(), "");
}

TEST(SpanWriter, EventsHaveAttributesOfTheirOwn) {
  std::string spans;
  SpanWriter writer(spans, Head());
  writer.Text("before", "1");
  writer.BeginEvent(1700000000100000000, "retry");
  writer.Text("retry.reason", "503\xff");
  writer.Number("retry.number", 300);
  writer.EndEvent();
  writer.BeginEvent(1700000000200000000, "plain");
  writer.EndEvent();
  writer.Number("after", 2);
  writer.End();
  const auto span = Read(spans).resource_spans(0).scope_spans(0).spans(0);
  EXPECT_EQ(TextsOf(span), (std::map<std::string, std::string>{{"before", "1"}, {"after", "2"}}));
  ASSERT_EQ(span.events_size(), 2);
  EXPECT_EQ(span.events(0).name(), "retry");
  EXPECT_EQ(span.events(0).time_unix_nano(), 1700000000100000000u);
  EXPECT_EQ(TextsOf(span.events(0)), (std::map<std::string, std::string>{{"retry.reason", "503?"},
                                                                         {"retry.number", "300"}}));
  EXPECT_EQ(TextsOf(span.events(1)), (std::map<std::string, std::string>()));
}

// A collector rejects a whole request for one text that is not UTF-8, and paths come from clients.
TEST(SpanWriter, Fault88_UntrustedTextIsPrintableAndBounded) {
  std::string spans;
  SpanHead head = Head();
  head.name = "\xff\xfe";
  SpanWriter writer(spans, head);
  writer.Text("url.path", "/a\r\n\x1b[31m\xff");
  writer.Text("user_agent.original", std::string(100000, 'x'));
  writer.End();
  const auto span = Read(spans).resource_spans(0).scope_spans(0).spans(0);
  EXPECT_EQ(span.name(), "unprintable");
  EXPECT_EQ(TextsOf(span)["url.path"], "/a???[31m?");
  EXPECT_EQ(TextsOf(span)["user_agent.original"].size(), SpanWriter::kLongestText);
}

}  // namespace
}  // namespace tulle::telemetry
