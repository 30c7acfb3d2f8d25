#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "telemetry/log_template.h"

namespace tulle::telemetry {

// A compiled access log format: text with %OPERATOR(ARGUMENTS):LENGTH%, or a JSON object of such
// texts. Immutable, shared by threads. Formatting does not allocate if the line's string has
// capacity.
//
// Untrusted values cannot break the log: text lines escape quotes, backslashes, control
// characters and everything beyond ASCII as \xHH, JSON as \u00HH, so that a value can end neither
// its field nor its line, nor send commands to a terminal.
class AccessLogFormat {
 public:
  // An unknown operator is an error that names it.
  static absl::StatusOr<AccessLogFormat> Text(std::string_view format);
  // Keys in the order given. A value that is a single operator with a number is written as a
  // number, an absent single operator as null.
  static absl::StatusOr<AccessLogFormat> Json(
      std::span<const std::pair<std::string, std::string>> fields);

  // Appends one line. JSON lines end with a newline; text lines end as the format says, as in
  // Envoy.
  void Append(const LogValues& values, std::string& out) const;

 private:
  struct JsonField {
    std::string key;  // quoted, with colon
    LogTemplate value;
  };

  bool json_ = false;
  LogTemplate text_;
  std::vector<JsonField> fields_;
};

// Envoy's default format, used for logs without a format of their own; and Istio's.
extern const std::string_view kEnvoyLine;
extern const std::string_view kIstioLine;

}  // namespace tulle::telemetry
