#include "control-plane/cli/line_diff.h"

#include <algorithm>
#include <vector>

namespace tulle::cli {
namespace {

constexpr size_t kAround = 3;
// Beyond it (product of line counts) all lines are shown as replaced.
constexpr size_t kMostCells = 16 << 20;

struct Edit {
  char mark;  // ' ', '-', '+'
  std::string_view line;
};

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// By the longest common subsequence.
std::vector<Edit> EditsOf(const std::vector<std::string_view>& a,
                          const std::vector<std::string_view>& b) {
  const bool is_small = (a.size() + 1) * (b.size() + 1) <= kMostCells;
  const size_t width = b.size() + 1;
  std::vector<uint32_t> common(is_small ? (a.size() + 1) * width : 0);
  for (size_t i = is_small ? a.size() : 0; i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i * width + j] =
          a[i] == b[j] ? common[(i + 1) * width + j + 1] + 1
                       : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  std::vector<Edit> edits;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      edits.push_back({' ', a[i++]});
      ++j;
    } else if (i < a.size() && (j == b.size() || !is_small ||
                                common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      edits.push_back({'-', a[i++]});
    } else {
      edits.push_back({'+', b[j++]});
    }
  }
  return edits;
}

std::string Range(size_t line, size_t count) {
  return std::to_string(count == 0 ? line : line + 1) + "," + std::to_string(count);
}

size_t CountOf(const std::vector<Edit>& edits, size_t from, size_t to, char other_side) {
  size_t count = 0;
  for (size_t i = from; i < to; ++i) count += edits[i].mark != other_side ? 1 : 0;
  return count;
}

// The end of the hunk whose first difference is at `at`.
size_t EndOfHunk(const std::vector<Edit>& edits, size_t at) {
  size_t last = at;
  for (size_t i = at; i < edits.size() && i <= last + 2 * kAround; ++i) {
    if (edits[i].mark != ' ') last = i;
  }
  return std::min(last + 1 + kAround, edits.size());
}

}  // namespace

std::string UnifiedDiff(std::string_view name, std::string_view before, std::string_view after,
                        std::string_view source) {
  const std::vector<Edit> edits = EditsOf(LinesOf(before), LinesOf(after));
  std::string text;
  size_t shown = 0;
  for (size_t at = 0; at < edits.size(); ++at) {
    if (edits[at].mark == ' ') continue;
    const size_t from = std::max(shown, at - std::min(at, kAround));
    shown = EndOfHunk(edits, at);
    text += "@@ -" + Range(CountOf(edits, 0, from, '+'), CountOf(edits, from, shown, '+')) + " +" +
            Range(CountOf(edits, 0, from, '-'), CountOf(edits, from, shown, '-')) + " @@\n";
    for (size_t i = from; i < shown; ++i) {
      text += edits[i].mark;
      text += edits[i].line;
      text += '\n';
    }
    at = shown - 1;
  }
  if (text.empty()) return text;
  const std::string label(name);
  return "--- " + label + " (in force)\n+++ " + label + " (" + std::string(source) + ")\n" + text;
}

}  // namespace tulle::cli
