#include "sidecar/config/access_log_config.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "sidecar/config/collector_config.h"
#include "sidecar/config/log_filter_config.h"
#include "telemetry/access_log_format.h"
#include "telemetry/log_record.h"

namespace tulle::config {
namespace {

namespace core = envoy::config::core::v3;
namespace loggers = envoy::extensions::access_loggers;
namespace otlp = opentelemetry::proto::common::v1;
using OpenTelemetryLog = loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig;

// Of OTLP over HTTP, unless the URI has another.
constexpr std::string_view kLogsPath = "/v1/logs";

absl::Status ReadFormat(const core::SubstitutionFormatString& format, const FileReader& files,
                        const FieldPath& at, AccessLogSpec& spec) {
  switch (format.format_case()) {
    case core::SubstitutionFormatString::kTextFormat:
      spec.format = format.text_format();
      return absl::OkStatus();
    case core::SubstitutionFormatString::kTextFormatSource: {
      auto text = ReadSource(format.text_format_source(), files, at / "text_format_source");
      if (!text.ok()) return text.status();
      spec.format = *std::move(text);
      return absl::OkStatus();
    }
    case core::SubstitutionFormatString::kJsonFormat:
      for (const auto& [key, value] : format.json_format().fields()) {
        if (value.kind_case() != google::protobuf::Value::kStringValue) {
          return (at / "json_format")
              .Key(key)
              .Error("must be a string: nesting is not implemented");
        }
        spec.json.emplace_back(key, value.string_value());
      }
      std::sort(spec.json.begin(), spec.json.end());
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

// Where each value is one text of operators.
absl::Status ReadList(const otlp::KeyValueList& list, const FieldPath& at,
                      std::vector<std::pair<std::string, std::string>>& fields) {
  for (int i = 0; i < list.values_size(); ++i) {
    const auto& [key, value] = std::pair(list.values(i).key(), list.values(i).value());
    const FieldPath here = at[static_cast<size_t>(i)];
    if (key.empty()) return (here / "key").Error("is required");
    if (!value.has_string_value())
      return (here / "value").Error("must be a string_value: nesting is not implemented");
    fields.emplace_back(key, value.string_value());
  }
  return absl::OkStatus();
}

absl::Status ReadLogCollector(const OpenTelemetryLog& log, const FieldPath& at,
                              CollectorSpec& spec) {
  spec.signal = Signal::kLogs;
  const bool is_common = log.common_config().has_grpc_service();
  if (is_common + log.has_grpc_service() + log.has_http_service() != 1) {
    return at.Error(
        "needs exactly one of grpc_service, http_service and common_config.grpc_service: where "
        "the log goes");
  }
  if (log.has_http_service())
    return ReadCollector(log.http_service(), kLogsPath, at / "http_service", spec);
  if (log.has_grpc_service()) return ReadCollector(log.grpc_service(), at / "grpc_service", spec);
  return ReadCollector(log.common_config().grpc_service(), at / "common_config.grpc_service", spec);
}

absl::Status ReadBody(const otlp::AnyValue& body, const FieldPath& at, AccessLogSpec& spec) {
  switch (body.value_case()) {
    case otlp::AnyValue::VALUE_NOT_SET:
      return absl::OkStatus();
    case otlp::AnyValue::kStringValue:
      spec.format = body.string_value();
      return absl::OkStatus();
    case otlp::AnyValue::kKvlistValue:
      return ReadList(body.kvlist_value(), at / "kvlist_value.values", spec.json);
    default:
      return at.Error("must be a string_value or a kvlist_value");
  }
}

absl::StatusOr<AccessLogSpec> ToCollectorLog(const OpenTelemetryLog& log, const FieldPath& at) {
  AccessLogSpec spec;
  auto collector = std::make_shared<CollectorSpec>();
  absl::Status status = ReadLogCollector(log, at, *collector);
  status.Update(ReadBody(log.body(), at / "body", spec));
  status.Update(ReadList(log.attributes(), at / "attributes.values", spec.attributes));
  status.Update(
      ReadList(log.resource_attributes(), at / "resource_attributes.values", collector->resource));
  if (!status.ok()) return status;
  auto format = telemetry::LogRecordFormat::Compile(spec.format, spec.json, spec.attributes);
  if (!format.ok()) return at.Error(std::string(format.status().message()));
  spec.collector = std::move(collector);
  return spec;
}

absl::Status CheckFormat(const AccessLogSpec& spec) {
  using Format = telemetry::AccessLogFormat;
  return (spec.json.empty() ? Format::Text(spec.format) : Format::Json(spec.json)).status();
}

absl::StatusOr<AccessLogSpec> ToAccessLog(const google::protobuf::Any& config,
                                          const FileReader& files, const FieldPath& at) {
  AccessLogSpec spec;
  OpenTelemetryLog open_telemetry;
  if (config.UnpackTo(&open_telemetry)) return ToCollectorLog(open_telemetry, at);
  core::SubstitutionFormatString format;
  loggers::file::v3::FileAccessLog file;
  loggers::stream::v3::StdoutAccessLog out;
  loggers::stream::v3::StderrAccessLog err;
  if (config.UnpackTo(&file)) {
    spec.path = file.path();
    if (spec.path.empty()) return (at / "path").Error("is required");
    format = file.log_format();
  } else if (config.UnpackTo(&out)) {
    spec.path = "/dev/stdout";
    format = out.log_format();
  } else if (config.UnpackTo(&err)) {
    spec.path = "/dev/stderr";
    format = err.log_format();
  } else {
    return at.Error(absl::StrCat("'", config.type_url(),
                                 "' is not an implemented access log: use the file, stdout, "
                                 "stderr or OpenTelemetry logger"));
  }
  if (auto status = ReadFormat(format, files, at / "log_format", spec); !status.ok()) return status;
  if (auto status = CheckFormat(spec); !status.ok())
    return (at / "log_format").Error(std::string(status.message()));
  return spec;
}

}  // namespace

absl::StatusOr<std::vector<AccessLogSpec>> ToAccessLogs(
    const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& logs,
    const FileReader& files, const FieldPath& at) {
  std::vector<AccessLogSpec> specs;
  for (int i = 0; i < logs.size(); ++i) {
    auto spec =
        ToAccessLog(logs[i].typed_config(), files, at[static_cast<size_t>(i)] / "typed_config");
    if (!spec.ok()) return spec.status();
    if (logs[i].has_filter()) {
      auto filter = ToLogFilter(logs[i].filter(), at[static_cast<size_t>(i)] / "filter");
      if (!filter.ok()) return filter.status();
      spec->filter = std::make_shared<const LogFilter>(*std::move(filter));
    }
    specs.push_back(*std::move(spec));
  }
  return specs;
}

}  // namespace tulle::config
