// Compiles and writes access log formats.
#include "telemetry/access_log_format.h"

#include "telemetry/escape.h"

namespace tulle::telemetry {
namespace {

void AppendJsonValue(const LogTemplate& value, const LogValues& values, std::string& out) {
  char scratch[LogValues::kScratch];
  const auto single = value.ReadSingle(values, scratch);
  if (single && single->is_absent) {
    out += "null";
  } else if (single && !single->number.empty()) {
    out += single->number;
  } else {
    out += '"';
    value.AppendJson(values, out);
    out += '"';
  }
}

}  // namespace

const std::string_view kEnvoyLine =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

const std::string_view kIstioLine =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

absl::StatusOr<AccessLogFormat> AccessLogFormat::Text(std::string_view format) {
  absl::StatusOr<LogTemplate> text = LogTemplate::Compile(format);
  if (!text.ok()) return text.status();
  AccessLogFormat compiled;
  compiled.text_ = *std::move(text);
  return compiled;
}

absl::StatusOr<AccessLogFormat> AccessLogFormat::Json(
    std::span<const std::pair<std::string, std::string>> fields) {
  AccessLogFormat compiled;
  compiled.json_ = true;
  for (const auto& [key, format] : fields) {
    absl::StatusOr<LogTemplate> value = LogTemplate::Compile(format);
    if (!value.ok()) return value.status();
    std::string quoted = "\"";
    AppendEscapedJson(quoted, key);
    quoted += "\":";
    compiled.fields_.push_back({std::move(quoted), *std::move(value)});
  }
  return compiled;
}

void AccessLogFormat::Append(const LogValues& values, std::string& out) const {
  if (!json_) return text_.AppendText(values, out);
  char before = '{';
  for (const JsonField& field : fields_) {
    out += before;
    out += field.key;
    AppendJsonValue(field.value, values, out);
    before = ',';
  }
  out += fields_.empty() ? "{}\n" : "}\n";
}

}  // namespace tulle::telemetry
