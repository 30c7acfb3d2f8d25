// Writes log records in protobuf's wire format.
#include "telemetry/log_record.h"

#include <charconv>

#include "telemetry/otlp_wire.h"

namespace tulle::telemetry {
namespace {

constexpr uint32_t kTime = 1, kSeverity = 2, kSeverityText = 3, kBody = 5, kRecordAttributes = 6,
                   kFlags = 8, kTraceId = 9, kSpanId = 10, kObservedTime = 11;
// Of AnyValue.
constexpr uint32_t kStringValue = 1, kIntValue = 3, kListValue = 6;

std::string_view TextOf(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarning:
      return "WARN";
    case Severity::kError:
      return "ERROR";
  }
  return {};
}

void PutTrace(const TracePoint& trace, std::string& out) {
  if ((trace.trace_high | trace.trace_low) == 0) return;
  if (trace.flags != 0) otlp::PutFixed32(kFlags, trace.flags, out);
  otlp::PutKey(kTraceId, otlp::kBytes, out);
  otlp::PutVarint(16, out);
  otlp::PutBigEndian(trace.trace_high, out);
  otlp::PutBigEndian(trace.trace_low, out);
  if (trace.span == 0) return;
  otlp::PutKey(kSpanId, otlp::kBytes, out);
  otlp::PutVarint(8, out);
  otlp::PutBigEndian(trace.span, out);
}

// False: not one of OTLP's numbers.
bool PutNumber(std::string_view digits, std::string& out) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return false;
  otlp::PutKey(kIntValue, otlp::kVarint, out);
  otlp::PutVarint(static_cast<uint64_t>(number), out);
  return true;
}

void PutTemplate(const LogTemplate& text, const LogValues& values, std::string& out) {
  const size_t value = otlp::OpenMessage(kStringValue, out);
  text.AppendText(values, out);
  otlp::CloseMessage(value, out);
}

std::string_view WithoutLineEnd(std::string_view line) {
  return line.substr(0, line.size() - (line.ends_with('\n') ? 1 : 0));
}

}  // namespace

absl::StatusOr<LogRecordFormat> LogRecordFormat::Compile(std::string_view line, Fields body_values,
                                                         Fields attributes) {
  absl::StatusOr<LogTemplate> text = LogTemplate::Compile(WithoutLineEnd(line));
  if (!text.ok()) return text.status();
  auto of_body = CompileAll(body_values);
  if (!of_body.ok()) return of_body.status();
  auto of_record = CompileAll(attributes);
  if (!of_record.ok()) return of_record.status();
  LogRecordFormat format;
  format.has_line_ = !line.empty();
  format.line_ = *std::move(text);
  format.body_values_ = *std::move(of_body);
  format.attributes_ = *std::move(of_record);
  return format;
}

absl::StatusOr<std::vector<LogRecordFormat::Named>> LogRecordFormat::CompileAll(Fields fields) {
  std::vector<Named> compiled;
  for (const auto& [key, format] : fields) {
    absl::StatusOr<LogTemplate> value = LogTemplate::Compile(format);
    if (!value.ok()) return value.status();
    compiled.emplace_back(key, *std::move(value));
  }
  return compiled;
}

void LogRecordFormat::Append(const LogRecordHead& head, const LogValues& values,
                             std::string& out) const {
  const size_t record = otlp::OpenMessage(2, out);
  otlp::PutFixed64(kTime, static_cast<uint64_t>(values.StartNanoseconds()), out);
  otlp::PutKey(kSeverity, otlp::kVarint, out);
  otlp::PutVarint(static_cast<uint64_t>(head.severity), out);
  otlp::PutText(kSeverityText, TextOf(head.severity), out);
  AppendBody(values, out);
  for (const Named& each : attributes_) AppendNamed(kRecordAttributes, each, values, out);
  PutTrace(head.trace, out);
  otlp::PutFixed64(kObservedTime, static_cast<uint64_t>(head.observed_ns), out);
  otlp::CloseMessage(record, out);
}

void LogRecordFormat::AppendBody(const LogValues& values, std::string& out) const {
  if (!has_line_ && body_values_.empty()) return;
  const size_t body = otlp::OpenMessage(kBody, out);
  if (has_line_) {
    PutTemplate(line_, values, out);
  } else {
    const size_t list = otlp::OpenMessage(kListValue, out);
    for (const Named& each : body_values_) AppendNamed(1, each, values, out);
    otlp::CloseMessage(list, out);
  }
  otlp::CloseMessage(body, out);
}

void LogRecordFormat::AppendNamed(uint32_t field, const Named& named, const LogValues& values,
                                  std::string& out) {
  char scratch[LogValues::kScratch];
  const auto single = named.second.ReadSingle(values, scratch);
  if (single && single->is_absent) return;
  const size_t whole = otlp::OpenMessage(field, out);
  otlp::PutText(1, named.first, out);
  const size_t value = otlp::OpenMessage(2, out);
  if (!single || single->number.empty() || !PutNumber(single->number, out))
    PutTemplate(named.second, values, out);
  otlp::CloseMessage(value, out);
  otlp::CloseMessage(whole, out);
}

}  // namespace tulle::telemetry
