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

void PrintVerdict(Session& session, const diagnosis::Verdict& verdict, const std::string& result) {
  session.out() << "\n";
  PrintNamed(session, 0, "Result", result);
  if (!verdict.policy.empty()) PrintNamed(session, 0, "Policy", verdict.policy);
  if (!verdict.field.empty()) PrintNamed(session, 0, "Field", verdict.field);
  if (!verdict.next_step.empty()) PrintNamed(session, 0, "Next step", verdict.next_step);
  if (!verdict.command.empty()) PrintNamed(session, 0, "", verdict.command);
}

}  // namespace tulle::cli
