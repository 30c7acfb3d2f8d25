#include "control-plane/cli/user_error.h"

#include "net/usage/unsafe_text.h"

namespace tulle::cli {

namespace {

constexpr char kHintMark = '\x1f';  // separates error and hint

}  // namespace

absl::Status UserError(std::string_view error, std::string_view hint) {
  std::string text(error);
  if (!hint.empty()) {
    text += kHintMark;
    text += hint;
  }
  return absl::UnknownError(text);
}

std::string ErrorOf(const absl::Status& status) {
  const std::string text(status.message());
  return text.substr(0, text.find(kHintMark));
}

std::string HintOf(const absl::Status& status) {
  const std::string text(status.message());
  const size_t mark = text.find(kHintMark);
  return mark == std::string::npos ? "" : text.substr(mark + 1);
}

void PrintError(const absl::Status& status, bool has_colour, std::ostream& err) {
  const std::string text(status.message());
  const size_t mark = text.find(kHintMark);
  err << (has_colour ? "\033[31merror:\033[0m " : "error: ")
      << usage::PrintableLines(text.substr(0, mark)) << "\n";
  if (mark != std::string::npos)
    err << "hint: " << usage::PrintableLines(text.substr(mark + 1)) << "\n";
}

}  // namespace tulle::cli
