#include "control-plane/cli/table.h"

#include <algorithm>
#include <ctime>
#include <string_view>

#include "net/usage/unsafe_text.h"
#include "net/usage/wrap.h"

namespace tulle::cli {
namespace {

constexpr size_t kGap = 3;
constexpr size_t kIndent = 4;  // of what stands below a row
constexpr size_t kLeastBelow = 20;

// "a,b" as "a, b": a list that may be broken.
std::string Spaced(const std::string& list) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) {
    text += list[i];
    if (list[i] == ',' && i + 1 < list.size() && list[i + 1] != ' ') text += ' ';
  }
  return text;
}

void PrintBelow(const std::string& text, size_t width, std::ostream& out) {
  const size_t room = width == 0 ? 0 : std::max(width, kIndent + kLeastBelow) - kIndent;
  for (const std::string& line : usage::Wrapped(text, room)) {
    out << std::string(kIndent, ' ') << line << "\n";
  }
}

std::string TwoUnits(int64_t large, char large_unit, int64_t small, char small_unit) {
  std::string text = std::to_string(large) + large_unit;
  if (small > 0) text += std::to_string(small) + small_unit;
  return text;
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells, const std::string& note) {
  for (std::string& cell : cells)
    cell = cell.empty() ? "<none>" : usage::Printable(std::move(cell));
  cells.resize(rows_[0].size());
  rows_.push_back(std::move(cells));
  notes_.push_back(usage::Printable(note));
}

std::vector<size_t> Table::WidthsOf() const {
  std::vector<size_t> widths(rows_[0].size());
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], usage::WidthOf(row[i]));
  }
  return widths;
}

std::vector<bool> Table::Fitting(const std::vector<size_t>& widths, size_t width) const {
  std::vector<bool> beside(widths.size(), true);
  if (width == 0) return beside;
  size_t total = 0;
  for (const size_t each : widths) total += each + kGap;
  // The first names the row, and stays.
  while (total > width + kGap) {
    size_t widest = 0;
    for (size_t i = 1; i < widths.size(); ++i) {
      if (beside[i] && (widest == 0 || widths[i] > widths[widest])) widest = i;
    }
    if (widest == 0) break;
    beside[widest] = false;
    total -= widths[widest] + kGap;
  }
  return beside;
}

void Table::Print(std::ostream& out, size_t width) const {
  const std::vector<size_t> widths = WidthsOf();
  const std::vector<bool> beside = Fitting(widths, width);
  for (size_t row = 0; row < rows_.size(); ++row) {
    std::string line;
    size_t pad = 0;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (!beside[i]) continue;
      line += std::string(pad, ' ') + rows_[row][i];
      pad = widths[i] - usage::WidthOf(rows_[row][i]) + kGap;
    }
    out << line << "\n";
    for (size_t i = 0; row > 0 && i < widths.size(); ++i) {
      if (!beside[i]) PrintBelow(rows_[0][i] + ": " + Spaced(rows_[row][i]), width, out);
    }
    if (!notes_[row].empty()) PrintBelow(notes_[row], width, out);
  }
}

std::string FormatAge(int64_t seconds) {
  constexpr int64_t kMinute = 60;
  constexpr int64_t kHour = 60 * kMinute;
  constexpr int64_t kDay = 24 * kHour;
  if (seconds < 0) return "0s";
  if (seconds < 2 * kMinute) return std::to_string(seconds) + "s";
  if (seconds < 10 * kMinute) return TwoUnits(seconds / kMinute, 'm', seconds % kMinute, 's');
  if (seconds < 3 * kHour) return std::to_string(seconds / kMinute) + "m";
  if (seconds < 8 * kHour) return TwoUnits(seconds / kHour, 'h', seconds % kHour / kMinute, 'm');
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + "h";
  if (seconds < 8 * kDay) return TwoUnits(seconds / kDay, 'd', seconds % kDay / kHour, 'h');
  return std::to_string(seconds / kDay) + "d";
}

std::string FormatTime(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  return std::string(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

}  // namespace tulle::cli
