// What the API lists of traces.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "control-plane/api/api_fixture.h"
#include "telemetry/otlp_request.h"
#include "telemetry/otlp_span.h"

namespace tulle::api {
namespace {

using Json = nlohmann::json;

class TraceTest : public ApiFixture {
 protected:
  TraceTest() : ApiFixture("1.2.3") {
    reader_ = "Bearer " + *credentials_.Create({"rob", Role::kReader}, "test", kNow);
  }
  ApiResponse Call(const std::string& path, std::map<std::string, std::string> query = {}) {
    return api_.Handle({"GET", path, std::move(query), "", reader_}, kNow);
  }
  Json List(std::map<std::string, std::string> query) {
    const ApiResponse response = Call("/v1/traces", std::move(query));
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body);
  }
  void AddTrace(uint64_t id, const std::string& service, const std::string& path, int status,
                uint64_t millis) {
    std::string spans;
    telemetry::SpanHead head;
    head.context = {1, id, id, 1};
    head.name = "GET";
    head.start_ns = 1'000'000'000;
    head.end_ns = head.start_ns + millis * 1'000'000;
    telemetry::SpanWriter writer(spans, head);
    writer.Text("http.request.method", "GET");
    writer.Text("url.path", path);
    writer.Number("http.response.status_code", status);
    writer.Number("tulle.mesh.microseconds", 70);
    writer.End();
    std::string resource;
    telemetry::AppendResourceAttribute("service.name", service, resource);
    ASSERT_TRUE(traces_.Add(telemetry::MakeExportRequest(resource, spans), "web"));
  }

  std::string reader_;
};

TEST_F(TraceTest, TracesAreSearched) {
  AddTrace(1, "web", "/shelf/7", 200, 5);
  AddTrace(2, "web", "/shelf/8", 503, 500);
  AddTrace(3, "cart", "/items", 404, 50);
  const auto paths = [this](std::map<std::string, std::string> query) {
    std::string all;
    const Json found = List(std::move(query));
    for (const Json& trace : found["traces"])
      all += trace["first"]["path"].get<std::string>() + " ";
    return all;
  };
  EXPECT_EQ(paths({}), "/items /shelf/8 /shelf/7 ");
  EXPECT_EQ(paths({{"service", "web"}}), "/shelf/8 /shelf/7 ");
  EXPECT_EQ(paths({{"path", "/shelf/7"}}), "/shelf/7 ");
  EXPECT_EQ(paths({{"status", "400-599"}}), "/items /shelf/8 ");
  EXPECT_EQ(paths({{"status", "404"}}), "/items ");
  EXPECT_EQ(paths({{"minMs", "50"}}), "/items /shelf/8 ");
  EXPECT_EQ(paths({{"id", "00000000000000010000000000000001"}}), "/shelf/7 ");
  EXPECT_EQ(paths({{"service", "web"}, {"status", "404"}}), "");
  const Json one = List({{"limit", "1"}, {"service", "web"}});
  ASSERT_EQ(one["traces"].size(), 1) << one;
  EXPECT_EQ(one["matching"], 2);
  EXPECT_EQ(one["known"], 3);
  EXPECT_EQ(one["traces"][0]["services"], Json({"web"}));
  EXPECT_EQ(one["traces"][0]["sidecarMicros"], 70);
  EXPECT_EQ(one["traces"][0]["spans"], 1) << "a number: the spans are in /v1/traces/{id}";
}

TEST_F(TraceTest, WhatIsNoConditionIsRefused) {
  const std::pair<const char*, const char*> wrong[] = {
      {"limit", "abc"},         {"limit", "0"},        {"limit", "1001"},
      {"limit", "-1"},          {"limit", ""},         {"minMs", "1s"},
      {"minMs", "-5"},          {"status", "5xx"},     {"status", "0"},
      {"status", "500-"},       {"status", "500-400"}, {"failed", "yes"},
      {"minMs", "999999999999"}};
  for (const auto& [name, value] : wrong) {
    const ApiResponse response = Call("/v1/traces", {{name, value}});
    EXPECT_EQ(response.status, 400) << name << "=" << value;
    EXPECT_EQ(Json::parse(response.body)["field"], name) << response.body;
  }
  EXPECT_EQ(Call("/v1/traces", {{"path", std::string(257, '/')}}).status, 400);
}

}  // namespace
}  // namespace tulle::api
