#include "sidecar/config/access_log_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"

namespace tulle::config {
namespace {

namespace core = envoy::config::core::v3;
namespace loggers = envoy::extensions::access_loggers;

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

absl::StatusOr<AccessLogSpec> ToAccessLog(const google::protobuf::Any& config,
                                          const FileReader& files, const FieldPath& at) {
  AccessLogSpec spec;
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
                                 "' is not an implemented access log: use the file, stdout or "
                                 "stderr logger"));
  }
  if (auto status = ReadFormat(format, files, at / "log_format", spec); !status.ok()) return status;
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
    specs.push_back(*std::move(spec));
  }
  return specs;
}

}  // namespace tulle::config
