#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "telemetry/log_template.h"
#include "telemetry/trace_context.h"

namespace tulle::telemetry {

// Of OpenTelemetry's SeverityNumber.
enum class Severity : uint8_t { kInfo = 9, kWarning = 13, kError = 17 };

// What every log record has, besides what its format says.
struct LogRecordHead {
  Severity severity = Severity::kInfo;
  int64_t observed_ns = 0;  // since the epoch; the record's own time is LogValues' start
  TracePoint trace;         // without a trace or a span: left out
};

// A compiled format of log records for a collector. Each is one `log_records` field of a ScopeLogs
// message, so that records of many requests can simply be concatenated. Immutable, shared by
// threads. Writing does not allocate if the string has capacity. Values are escaped as in lines of
// text, so that all texts are valid UTF-8 and harmless. Source: opentelemetry.proto.logs.v1.
//
// A value of the lists that is a single operator with a number is written as a number; an absent
// one is left out.
class LogRecordFormat {
 public:
  using Fields = std::span<const std::pair<std::string, std::string>>;

  // `line`: the body; one line end after it is dropped. Empty: the body is the list of
  // `body_values`, or there is none.
  static absl::StatusOr<LogRecordFormat> Compile(std::string_view line, Fields body_values,
                                                 Fields attributes);

  void Append(const LogRecordHead& head, const LogValues& values, std::string& out) const;

 private:
  using Named = std::pair<std::string, LogTemplate>;

  static absl::StatusOr<std::vector<Named>> CompileAll(Fields fields);
  void AppendBody(const LogValues& values, std::string& out) const;
  static void AppendNamed(uint32_t field, const Named& named, const LogValues& values,
                          std::string& out);

  bool has_line_ = false;
  LogTemplate line_;
  std::vector<Named> body_values_;
  std::vector<Named> attributes_;
};

}  // namespace tulle::telemetry
