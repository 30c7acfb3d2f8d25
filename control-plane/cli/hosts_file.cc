#include "control-plane/cli/hosts_file.h"

#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr std::string_view kBegin = "# BEGIN tulle (tullectl hosts --write renews this)\n";
constexpr std::string_view kEnd = "# END tulle\n";

// At the beginning of a line.
size_t FindLine(std::string_view text, std::string_view line, size_t from) {
  for (size_t at = text.find(line, from); at != std::string_view::npos;
       at = text.find(line, at + 1)) {
    if (at == 0 || text[at - 1] == '\n') return at;
  }
  return std::string_view::npos;
}

}  // namespace

std::string HostsBlock(const std::vector<HostsLine>& lines) {
  std::string block(kBegin);
  for (const HostsLine& line : lines) {
    block += line.address;
    for (const std::string& name : line.names) block += " " + name;
    block += "\n";
  }
  block += kEnd;
  return block;
}

absl::StatusOr<std::string> ReplaceHosts(std::string_view text, std::string_view block) {
  std::string own(text);
  if (!own.empty() && own.back() != '\n') own += '\n';
  const size_t begin = FindLine(own, kBegin, 0);
  const size_t end = FindLine(own, kEnd, begin == std::string::npos ? 0 : begin);
  if ((begin == std::string::npos) != (end == std::string::npos)) {
    return UserError("only one of the marks \"# BEGIN tulle\" and \"# END tulle\" found",
                     "remove the mark and the lines of tullectl by hand");
  }
  if (begin == std::string::npos) return block.empty() ? std::string(text) : own.append(block);
  return own.replace(begin, end + kEnd.size() - begin, block);
}

}  // namespace tulle::cli
