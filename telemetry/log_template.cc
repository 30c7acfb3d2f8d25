// Compiles and writes texts with operators.
#include "telemetry/log_template.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "telemetry/access_log_operators.h"
#include "telemetry/escape.h"
#include "telemetry/log_time.h"

namespace tulle::telemetry {
namespace {

// The cause by a name that an Envoy of the mesh accepts too: DYNAMIC_METADATA(tulle:cause).
constexpr std::string_view kMetadata = "DYNAMIC_METADATA";
constexpr std::string_view kTulleCause = "tulle:cause";

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
      if (command.name == kMetadata && command.argument == kTulleCause)
        field.op = LogOperator::kCause;
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
  text = text.substr(0, LogTemplate::kLongestValue);
  if (json) {
    AppendEscapedJson(out, text);
  } else {
    AppendEscapedText(out, text);
  }
}

}  // namespace

absl::StatusOr<LogTemplate> LogTemplate::Compile(std::string_view format) {
  LogTemplate compiled;
  std::vector<Piece>& pieces = compiled.pieces_;
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
  return compiled;
}

void LogTemplate::AppendText(const LogValues& values, std::string& out) const {
  for (const Piece& piece : pieces_) {
    if (const std::string* text = std::get_if<std::string>(&piece)) {
      out += *text;
    } else {
      AppendField(std::get<LogField>(piece), values, false, out);
    }
  }
}

void LogTemplate::AppendJson(const LogValues& values, std::string& out) const {
  for (const Piece& piece : pieces_) {
    if (const std::string* text = std::get_if<std::string>(&piece)) {
      AppendEscapedJson(out, *text);
    } else {
      AppendField(std::get<LogField>(piece), values, true, out);
    }
  }
}

std::optional<LogTemplate::Single> LogTemplate::ReadSingle(const LogValues& values,
                                                           LogValues::Scratch scratch) const {
  const LogField* only = pieces_.size() == 1 ? std::get_if<LogField>(&pieces_[0]) : nullptr;
  if (only == nullptr || only->op == LogOperator::kStartTime) return std::nullopt;
  const bool is_absent = only->op == LogOperator::kAlwaysAbsent;
  const std::string_view text = is_absent ? std::string_view() : values.Value(*only, scratch);
  if (text.empty()) return Single{.is_absent = true, .number = {}};
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool is_number = IsNumber(only->op) && std::all_of(text.begin(), text.end(), digit);
  return Single{.is_absent = false, .number = is_number ? text : std::string_view()};
}

}  // namespace tulle::telemetry
