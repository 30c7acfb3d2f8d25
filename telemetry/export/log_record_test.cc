#include "telemetry/log_record.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "telemetry/otlp_request.h"

namespace tulle::telemetry {
namespace {

namespace logs = opentelemetry::proto::logs::v1;
using Texts = std::vector<std::pair<std::string, std::string>>;

class LogValuesForTest final : public LogValues {
 public:
  std::string_view Value(const LogField& field, Scratch) const override {
    const auto found = values.find(field.op);
    return found == values.end() ? std::string_view() : found->second;
  }
  int64_t StartNanoseconds() const override { return 1795255233031456789; }

  std::map<LogOperator, std::string> values = {{LogOperator::kProtocol, "HTTP/2"},
                                               {LogOperator::kResponseCode, "200"}};
};

class LogRecordTest : public ::testing::Test {
 protected:
  // Reads a record with OTLP's own messages.
  logs::LogRecord Write(std::string_view line, const Texts& body, const Texts& attributes) {
    const auto format = LogRecordFormat::Compile(line, body, attributes);
    EXPECT_TRUE(format.ok()) << format.status();
    std::string records;
    format->Append(head_, values_, records);
    format->Append(head_, values_, records);
    std::string resource;
    AppendResourceAttribute("service.name", "web", resource);
    opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
    EXPECT_TRUE(request.ParseFromString(MakeExportRequest(resource, records)));
    EXPECT_EQ(request.resource_logs(0).resource().attributes(0).value().string_value(), "web");
    const auto& scope = request.resource_logs(0).scope_logs(0);
    EXPECT_EQ(scope.scope().name(), "tulle");
    EXPECT_EQ(scope.log_records_size(), 2);
    EXPECT_EQ(scope.log_records(0).SerializeAsString(), scope.log_records(1).SerializeAsString());
    return scope.log_records(0);
  }

  LogRecordHead head_;
  LogValuesForTest values_;
};

TEST_F(LogRecordTest, ALineIsTheBodyWithoutItsEnd) {
  head_.severity = Severity::kError;
  head_.observed_ns = 1795255233038456789;
  const logs::LogRecord record = Write("\"%PROTOCOL%\" %RESPONSE_CODE% %ROUTE_NAME%\n", {}, {});
  EXPECT_EQ(record.body().string_value(), "\"HTTP/2\" 200 -");
  EXPECT_EQ(record.time_unix_nano(), 1795255233031456789u);
  EXPECT_EQ(record.observed_time_unix_nano(), 1795255233038456789u);
  EXPECT_EQ(record.severity_number(), logs::SEVERITY_NUMBER_ERROR);
  EXPECT_EQ(record.severity_text(), "ERROR");
  EXPECT_EQ(record.attributes_size(), 0);
  EXPECT_EQ(record.trace_id(), "");
  EXPECT_EQ(record.span_id(), "");
}

TEST_F(LogRecordTest, NumbersAreNumbersAndWhatIsAbsentIsLeftOut) {
  const Texts fields = {{"code", "%RESPONSE_CODE%"},
                        {"route", "%ROUTE_NAME%"},
                        {"both", "%PROTOCOL% %RESPONSE_CODE%"}};
  for (const bool in_body : {true, false}) {
    const logs::LogRecord record =
        Write("", in_body ? fields : Texts{}, in_body ? Texts{} : fields);
    EXPECT_EQ(record.has_body(), in_body);
    const auto& list = in_body ? record.body().kvlist_value().values() : record.attributes();
    ASSERT_EQ(list.size(), 2);
    EXPECT_EQ(list[0].key(), "code");
    EXPECT_EQ(list[0].value().int_value(), 200);
    EXPECT_EQ(list[1].key(), "both");
    EXPECT_EQ(list[1].value().string_value(), "HTTP/2 200");
  }
}

TEST_F(LogRecordTest, ANumberThatOtlpCannotHoldIsAText) {
  values_.values[LogOperator::kResponseCode] = "99999999999999999999";
  const logs::LogRecord record = Write("", {}, {{"code", "%RESPONSE_CODE%"}});
  EXPECT_EQ(record.attributes(0).value().string_value(), "99999999999999999999");
}

TEST_F(LogRecordTest, NamesTheTraceAndItsSpan) {
  head_.trace = {0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 1};
  logs::LogRecord record = Write("x", {}, {});
  EXPECT_EQ(record.trace_id(), "\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18");
  EXPECT_EQ(record.span_id(), "\x21\x22\x23\x24\x25\x26\x27\x28");
  EXPECT_EQ(record.flags(), 1u);
  head_.trace.span = 0;
  record = Write("x", {}, {});
  EXPECT_EQ(record.trace_id().size(), 16u);
  EXPECT_EQ(record.span_id(), "");
}

// Texts of OTLP must be UTF-8: a collector refuses the whole batch otherwise.
TEST_F(LogRecordTest, Fault88_NoValueMakesARecordInvalid) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  values_.values[LogOperator::kProtocol] = all;
  const logs::LogRecord record = Write("%PROTOCOL%", {}, {{"p", "%PROTOCOL%"}});
  for (const std::string& text :
       {record.body().string_value(), record.attributes(0).value().string_value()}) {
    EXPECT_NE(text.find("\\xff"), std::string::npos);
    for (const char c : text) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  }
}

TEST_F(LogRecordTest, ErrorsNameTheOperator) {
  for (const auto& format : {LogRecordFormat::Compile("%NOPE%", {}, {}),
                             LogRecordFormat::Compile("", {}, Texts{{"a", "%NOPE%"}}),
                             LogRecordFormat::Compile("", Texts{{"a", "%NOPE%"}}, {})}) {
    EXPECT_NE(format.status().message().find("%NOPE%"), absl::string_view::npos) << format.status();
  }
}

}  // namespace
}  // namespace tulle::telemetry
