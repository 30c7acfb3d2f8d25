#include "telemetry/export/zipkin_spans.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "telemetry/otlp_request.h"
#include "telemetry/otlp_span.h"

namespace tulle::telemetry {
namespace {

using Json = nlohmann::json;

std::string Resource() {
  std::string resource;
  AppendResourceAttribute("service.name", "web", resource);
  AppendResourceAttribute("service.instance.id", "web-1", resource);
  return resource;
}

SpanHead Head() {
  SpanHead head;
  head.context = {0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 1};
  head.parent = 0x3132333435363738;
  head.name = "GET";
  head.start_ns = 1700000000000000000;
  head.end_ns = 1700000000500001000;
  return head;
}

TEST(ZipkinSpans, AServerSpanHasWhatZipkinShows) {
  std::string spans;
  SpanWriter span(spans, Head());
  span.Text("network.peer.address", "192.0.2.1");
  span.Number("network.peer.port", 40000);
  span.Text("url.path", "/x");
  span.Number("http.response.status_code", 503);
  span.BeginEvent(1700000000250000000, "retry");
  span.Text("retry.reason", "503");
  span.EndEvent();
  span.BeginEvent(1700000000260000000, "plain");
  span.EndEvent();
  span.Error("upstream_reset");
  span.End();
  EXPECT_EQ(Json::parse(MakeZipkinSpans(Resource(), spans)), Json::parse(R"([{
    "traceId": "01020304050607081112131415161718", "id": "2122232425262728",
    "parentId": "3132333435363738", "kind": "SERVER", "name": "GET",
    "timestamp": 1700000000000000, "duration": 500001,
    "localEndpoint": {"serviceName": "web"}, "remoteEndpoint": {"ipv4": "192.0.2.1", "port": 40000},
    "annotations": [
      {"timestamp": 1700000000250000, "value": "{\"retry\":{\"retry.reason\":\"503\"}}"},
      {"timestamp": 1700000000260000, "value": "plain"}],
    "tags": {"service.instance.id": "web-1", "network.peer.address": "192.0.2.1",
             "network.peer.port": "40000", "url.path": "/x",
             "http.response.status_code": "503", "otel.status_code": "ERROR",
             "error": "upstream_reset"}}])"));
}

TEST(ZipkinSpans, AClientSpanNamesItsServerAndARootHasNoParent) {
  std::string spans;
  SpanHead head = Head();
  head.kind = SpanKind::kClient;
  head.parent = 0;
  head.end_ns = head.start_ns;
  SpanWriter span(spans, head);
  span.Text("server.address", "web");
  span.Number("server.port", 80);
  span.Text("network.peer.address", "2001:db8::1");
  span.Number("network.peer.port", 8080);
  span.End();
  SpanWriter second(spans, head);
  second.End();
  const Json json = Json::parse(MakeZipkinSpans(Resource(), spans));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["kind"], "CLIENT");
  EXPECT_EQ(json[0]["remoteEndpoint"], Json::parse(R"({"ipv6": "2001:db8::1", "port": 8080})"));
  EXPECT_FALSE(json[0].contains("parentId"));
  EXPECT_FALSE(json[0].contains("annotations"));
  EXPECT_EQ(json[0]["duration"], 1);
  EXPECT_FALSE(json[1].contains("remoteEndpoint"));
}

}  // namespace
}  // namespace tulle::telemetry
