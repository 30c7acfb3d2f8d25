#include "telemetry/access_log_format.h"

#include <gtest/gtest.h>

#include <map>

#include "telemetry/escape.h"
#include "telemetry/log_time.h"

namespace tulle::telemetry {
namespace {

constexpr int64_t kStart = 1795255233031456789;  // 2026-11-21T10:00:33.031456789Z

class FakeValues : public LogValues {
 public:
  std::string_view Value(const LogField& field, Scratch) const override {
    if (field.op == LogOperator::kRequestHeader || field.op == LogOperator::kResponseHeader) {
      auto found = headers.find(field.name);
      if (found == headers.end()) found = headers.find(field.alternative);
      return found == headers.end() ? std::string_view() : found->second;
    }
    const auto found = values.find(field.op);
    return found == values.end() ? std::string_view() : found->second;
  }
  int64_t StartNanoseconds() const override { return kStart; }

  std::map<std::string, std::string, std::less<>> headers;
  std::map<LogOperator, std::string> values;
};

FakeValues Request() {
  FakeValues values;
  values.headers = {{":METHOD", "POST"},          {":PATH", "/test.Echo/Say"},
                    {":AUTHORITY", "echo.test"},  {"USER-AGENT", "grpc-go/1.85.0"},
                    {"X-REQUEST-ID", "43512d11"}, {"X-ENVOY-UPSTREAM-SERVICE-TIME", "18"}};
  values.values = {
      {LogOperator::kProtocol, "HTTP/2"},      {LogOperator::kResponseCode, "200"},
      {LogOperator::kBytesReceived, "11"},     {LogOperator::kBytesSent, "279"},
      {LogOperator::kDuration, "19"},          {LogOperator::kUpstreamHost, "127.0.0.1:18102"},
      {LogOperator::kUpstreamCluster, "echo"}, {LogOperator::kResponseCodeDetails, "via_upstream"}};
  return values;
}

std::string Line(std::string_view format, const LogValues& values) {
  absl::StatusOr<AccessLogFormat> compiled = AccessLogFormat::Text(format);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  std::string out;
  if (compiled.ok()) compiled->Append(values, out);
  return out;
}

// The line that Envoy 1.40 wrote for this request.
TEST(AccessLogFormat, EnvoysLine) {
  EXPECT_EQ(Line(kEnvoyLine, Request()),
            "[2026-11-21T10:00:33.031Z] \"POST /test.Echo/Say HTTP/2\" 200 - 11 279 19 18 \"-\" "
            "\"grpc-go/1.85.0\" \"43512d11\" \"echo.test\" \"127.0.0.1:18102\"\n");
}

TEST(AccessLogFormat, IstiosLine) {
  EXPECT_EQ(Line(kIstioLine, Request()),
            "[2026-11-21T10:00:33.031Z] \"POST /test.Echo/Say HTTP/2\" 200 - via_upstream - \"-\" "
            "11 279 19 18 \"-\" \"grpc-go/1.85.0\" \"43512d11\" \"echo.test\" "
            "\"127.0.0.1:18102\" echo - - - - -\n");
}

TEST(AccessLogFormat, ArgumentsAndLengths) {
  const FakeValues values = Request();
  EXPECT_EQ(Line("%REQ(X?:AUTHORITY):4% %REQ(X)% 100%%", values), "echo - 100%");
  EXPECT_EQ(Line("%DYNAMIC_METADATA(a:b)%|%DYNAMIC_METADATA(a):3%", values), "-|-");
  EXPECT_EQ(Line("%START_TIME(%s.%3f)%", values), "1795255233.031");
  EXPECT_EQ(Line("%START_TIME(%Y/%m/%d %H:%M:%S.%6f %f%%)%", values),
            "2026/11/21 10:00:33.031456 031456789%");
}

TEST(AccessLogFormat, TheCauseHasTwoNames) {
  FakeValues values = Request();
  constexpr std::string_view kBoth = "%TULLE_CAUSE% %DYNAMIC_METADATA(tulle:cause)%";
  EXPECT_EQ(Line(kBoth, values), "- -");
  values.values[LogOperator::kCause] = "denied";
  EXPECT_EQ(Line(kBoth, values), "denied denied");
  EXPECT_EQ(Line("%METADATA(tulle:cause)% %GRPC_STATUS(tulle:cause)%", values), "- -");
}

TEST(AccessLogFormat, Json) {
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"code", "%RESPONSE_CODE%"}, {"path", "%REQ(:PATH)%"},
      {"gone", "%REQ(X)%"},        {"both", "%REQ(X)%/\"%PROTOCOL%"},
      {"time", "%START_TIME%"},    {"meta", "%DYNAMIC_METADATA(x)%"}};
  absl::StatusOr<AccessLogFormat> compiled = AccessLogFormat::Json(fields);
  ASSERT_TRUE(compiled.ok());
  std::string out;
  compiled->Append(Request(), out);
  EXPECT_EQ(out,
            "{\"code\":200,\"path\":\"/test.Echo/Say\",\"gone\":null,\"both\":\"-/\\\"HTTP/2\","
            "\"time\":\"2026-11-21T10:00:33.031Z\",\"meta\":null}\n");
}

TEST(AccessLogFormat, ErrorsNameTheOperator) {
  for (const auto& [format, words] :
       std::map<std::string, std::string>{{"%NO_SUCH%", "NO_SUCH"},
                                          {"%REQ(A%", "parenthesis"},
                                          {"%REQ(A)", "closing '%'"},
                                          {"%REQ%", "header name"},
                                          {"%REQ(A):x%", "length"},
                                          {"50% of", "percent sign"},
                                          {"%PROTOCOL(x)%", "argument"},
                                          {"%", "percent sign"},
                                          {"%REQ(A):0%", "length"}}) {
    const absl::StatusOr<AccessLogFormat> compiled = AccessLogFormat::Text(format);
    ASSERT_FALSE(compiled.ok()) << format;
    EXPECT_NE(compiled.status().ToString().find(words), std::string::npos) << compiled.status();
  }
}

TEST(AccessLogFormat, Fault88_ValuesCannotBreakOutOfTheirField) {
  FakeValues values = Request();
  values.headers["USER-AGENT"] = "a\"\r\n[2026] \"GET /admin\x1b[2J\x7f\xc2\x9b\\ \xe2\x80\xae";
  EXPECT_EQ(
      Line("\"%REQ(USER-AGENT)%\"\n", values),
      "\"a\\\"\\x0d\\x0a[2026] \\\"GET /admin\\x1b[2J\\x7f\\xc2\\x9b\\\\ \\xe2\\x80\\xae\"\n");
  absl::StatusOr<AccessLogFormat> json = AccessLogFormat::Json(
      std::vector<std::pair<std::string, std::string>>{{"ua", "%REQ(USER-AGENT)%"}});
  std::string out;
  json->Append(values, out);
  EXPECT_EQ(out,
            "{\"ua\":\"a\\\"\\u000d\\u000a[2026] \\\"GET /admin\\u001b[2J\\u007f\\u00c2\\u009b\\\\ "
            "\\u00e2\\u0080\\u00ae\"}\n");
}

TEST(AccessLogFormat, Fault88_EveryByteIsHarmless) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string text, json;
  AppendEscapedText(text, all);
  AppendEscapedJson(json, all);
  for (const std::string& out : {text, json}) {
    for (size_t i = 0; i < out.size(); ++i) {
      const unsigned char c = static_cast<unsigned char>(out[i]);
      EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
      if (c == '\\') {
        ++i;  // of an escape
      } else {
        EXPECT_NE(c, '"');
      }
    }
  }
}

TEST(AccessLogFormat, JsonKeepsReadableUtf8) {
  std::string out;
  AppendEscapedJson(out, "Gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \xc0\x80 \xed\xa0\x80");
  EXPECT_EQ(out, "Gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \\u00c0\\u0080 \\u00ed\\u00a0\\u0080");
}

TEST(AccessLogFormat, LongValuesAreCut) {
  FakeValues values = Request();
  values.headers["X"] = std::string(100000, 'x');
  EXPECT_EQ(Line("%REQ(X)%", values).size(), LogTemplate::kLongestValue);
}

TEST(LogTime, BeforeTheEpochAndLeapDays) {
  std::string out;
  AppendTime(out, {}, -1);
  EXPECT_EQ(out, "1969-12-31T23:59:59.999Z");
  out.clear();
  AppendTime(out, "%F %j %a", 951782400'000000000);
  EXPECT_EQ(out, "2000-02-29 060 Tue");
}

}  // namespace
}  // namespace tulle::telemetry
