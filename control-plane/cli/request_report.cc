#include "control-plane/cli/request_report.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "net/usage/wrap.h"

namespace tulle::cli {
namespace {

constexpr size_t kTextWidth = 100;
constexpr size_t kNameWidth = 12;

}  // namespace

std::string ShellWord(const std::string& text) {
  const bool is_plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("._:/-").find(c) != std::string_view::npos;
  });
  return is_plain ? text : "'" + absl::StrReplaceAll(text, {{"'", "'\\''"}}) + "'";
}

void PrintNamed(Session& session, size_t indent, const std::string& name, const std::string& text) {
  const size_t terminal = session.environment.width;
  const size_t width = terminal == 0 ? kTextWidth : terminal;
  const size_t column = indent + kNameWidth;
  const size_t room = width > 2 * column ? width - column : kTextWidth;
  std::string begin = std::string(indent, ' ') + name;
  for (const std::string& line : usage::Wrapped(text, room)) {
    begin.resize(std::max(begin.size() + 1, column), ' ');
    session.out() << begin << line << "\n";
    begin.clear();
  }
}

void PrintEnding(Session& session, const Ending& ending, const std::string& otherwise) {
  session.out() << "\n";
  if (ending.hop < 0) {
    PrintNamed(session, 0, "Result", otherwise);
    return;
  }
  PrintNamed(session, 0, "Result", absl::StrCat("hop ", ending.hop + 1, ": ", ending.meaning));
  if (!ending.policy.empty()) PrintNamed(session, 0, "Policy", ending.policy);
  if (!ending.field.empty()) PrintNamed(session, 0, "Field", ending.field);
  if (!ending.next_step.empty()) PrintNamed(session, 0, "Next step", ending.next_step);
  if (!ending.command.empty()) PrintNamed(session, 0, "", ending.command);
}

}  // namespace tulle::cli
