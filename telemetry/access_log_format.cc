// Compiles and writes access log formats.
#include "telemetry/access_log_format.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "telemetry/access_log_operators.h"
#include "telemetry/escape.h"
#include "telemetry/log_time.h"

namespace tulle::telemetry {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Invalid(std::string_view what, std::string_view near) {
  return absl::InvalidArgumentError(absl::StrCat("access log format: ", ToAbsl(what), " near \"",
                                                 ToAbsl(near.substr(0, 60)), "\""));
}

// One command after its opening '%', cut into its parts.
struct Command {
  std::string_view name;
  bool has_argument = false;
  std::string_view argument;
  size_t longest = 0;
  size_t size = 0;  // with the closing '%'
};

absl::StatusOr<Command> ReadCommand(std::string_view text) {
  Command command;
  size_t at = 0;
  while (at < text.size() && ((text[at] >= 'A' && text[at] <= 'Z') || text[at] == '_' ||
                              (text[at] >= '0' && text[at] <= '9'))) {
    ++at;
  }
  command.name = text.substr(0, at);
  if (command.name.empty()) {
    return Invalid("'%' does not start an operator: write %% for a percent sign,", text);
  }
  if (at < text.size() && text[at] == '(') {
    const size_t close = text.find(')', at);
    if (close == text.npos) return Invalid("no closing parenthesis", text);
    command.has_argument = true;
    command.argument = text.substr(at + 1, close - at - 1);
    at = close + 1;
  }
  if (at < text.size() && text[at] == ':') {
    const char* begin = text.data() + at + 1;
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), command.longest);
    if (error != std::errc() || command.longest == 0) {
      return Invalid("the length after ':' must be a positive number,", text);
    }
    at = static_cast<size_t>(end - text.data());
  }
  if (at >= text.size() || text[at] != '%') return Invalid("no closing '%'", text);
  command.size = at + 1;
  return command;
}

absl::StatusOr<LogField> FieldOf(const Command& command) {
  const LogOperatorFacts* facts = FindLogOperator(command.name);
  if (facts == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("access log format: no operator %", ToAbsl(command.name),
                     "%: remove it, or see the list in docs/envoy-differences.md"));
  }
  LogField field{facts->op, {}, {}, command.longest};
  switch (facts->argument) {
    case LogArgument::kNone:
      if (command.has_argument) return Invalid("this operator takes no argument", command.name);
      break;
    case LogArgument::kTime:
      field.name = command.argument;
      break;
    case LogArgument::kAnything:
      break;
    case LogArgument::kHeader: {
      const size_t question = command.argument.find('?');
      field.name = command.argument.substr(0, question);
      if (question != command.argument.npos) {
        field.alternative = command.argument.substr(question + 1);
      }
      if (field.name.empty()) return Invalid("this operator needs a header name", command.name);
      break;
    }
  }
  return field;
}

void AppendField(const LogField& field, const LogValues& values, bool json, std::string& out) {
  if (field.op == LogOperator::kStartTime) {
    const size_t before = out.size();
    AppendTime(out, field.name, values.StartNanoseconds());
    if (field.longest != 0 && out.size() - before > field.longest) {
      out.resize(before + field.longest);
    }
    return;
  }
  char scratch[LogValues::kScratch];
  std::string_view text;
  if (field.op != LogOperator::kAlwaysAbsent) text = values.Value(field, scratch);
  if (text.empty()) text = "-";
  if (field.longest != 0) text = text.substr(0, field.longest);
  text = text.substr(0, AccessLogFormat::kLongestValue);
  if (json) {
    AppendEscapedJson(out, text);
  } else {
    AppendEscapedText(out, text);
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

absl::StatusOr<AccessLogFormat::Pieces> AccessLogFormat::Compile(std::string_view format) {
  Pieces pieces;
  std::string text;
  while (!format.empty()) {
    if (format[0] != '%' || format.starts_with("%%")) {
      text += format[0];
      format.remove_prefix(format[0] == '%' ? 2 : 1);
      continue;
    }
    absl::StatusOr<Command> command = ReadCommand(format.substr(1));
    if (!command.ok()) return command.status();
    absl::StatusOr<LogField> field = FieldOf(*command);
    if (!field.ok()) return field.status();
    if (!text.empty()) pieces.emplace_back(std::exchange(text, {}));
    pieces.emplace_back(*std::move(field));
    format.remove_prefix(1 + command->size);
  }
  if (!text.empty()) pieces.emplace_back(std::move(text));
  return pieces;
}

absl::StatusOr<AccessLogFormat> AccessLogFormat::Text(std::string_view format) {
  absl::StatusOr<Pieces> pieces = Compile(format);
  if (!pieces.ok()) return pieces.status();
  AccessLogFormat compiled;
  compiled.text_ = *std::move(pieces);
  return compiled;
}

absl::StatusOr<AccessLogFormat> AccessLogFormat::Json(
    std::span<const std::pair<std::string, std::string>> fields) {
  AccessLogFormat compiled;
  compiled.json_ = true;
  for (const auto& [key, format] : fields) {
    absl::StatusOr<Pieces> pieces = Compile(format);
    if (!pieces.ok()) return pieces.status();
    for (Piece& piece : *pieces) {
      if (std::string* text = std::get_if<std::string>(&piece)) {
        std::string escaped;
        AppendEscapedJson(escaped, *text);
        *text = std::move(escaped);
      }
    }
    std::string quoted = "\"";
    AppendEscapedJson(quoted, key);
    quoted += "\":";
    compiled.fields_.push_back({std::move(quoted), *std::move(pieces)});
  }
  return compiled;
}

void AccessLogFormat::AppendPieces(const Pieces& pieces, const LogValues& values, bool json,
                                   std::string& out) {
  for (const Piece& piece : pieces) {
    if (const std::string* text = std::get_if<std::string>(&piece)) {
      out += *text;
    } else {
      AppendField(std::get<LogField>(piece), values, json, out);
    }
  }
}

void AccessLogFormat::AppendJsonValue(const Pieces& pieces, const LogValues& values,
                                      std::string& out) {
  const LogField* only = pieces.size() == 1 ? std::get_if<LogField>(&pieces[0]) : nullptr;
  if (only != nullptr && only->op != LogOperator::kStartTime) {
    char scratch[LogValues::kScratch];
    const bool absent = only->op == LogOperator::kAlwaysAbsent;
    const std::string_view text = absent ? std::string_view() : values.Value(*only, scratch);
    if (text.empty()) {
      out += "null";
      return;
    }
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (IsNumber(only->op) && std::all_of(text.begin(), text.end(), digit)) {
      out += text;
      return;
    }
  }
  out += '"';
  AppendPieces(pieces, values, true, out);
  out += '"';
}

void AccessLogFormat::Append(const LogValues& values, std::string& out) const {
  if (!json_) {
    AppendPieces(text_, values, false, out);
    return;
  }
  char before = '{';
  for (const JsonField& field : fields_) {
    out += before;
    out += field.key;
    AppendJsonValue(field.pieces, values, out);
    before = ',';
  }
  out += fields_.empty() ? "{}\n" : "}\n";
}

}  // namespace tulle::telemetry
