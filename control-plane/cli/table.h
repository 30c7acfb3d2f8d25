// Tables like those of kubectl: upper-case headers, columns three spaces apart, no lines. Columns
// that do not fit the terminal are printed below their rows. Pure.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace tulle::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headers) : rows_{std::move(headers)}, notes_(1) {}

  // As many cells as headers; an empty one is shown as <none>. A note goes below the row.
  void AddRow(std::vector<std::string> cells, const std::string& note = "");
  bool empty() const { return rows_.size() == 1; }
  // `width` of the terminal; 0: no limit. Columns that do not fit, the widest first, are printed
  // below their rows, each with its header.
  void Print(std::ostream& out, size_t width = 0) const;

 private:
  using Row = std::vector<std::string>;

  std::vector<size_t> WidthsOf() const;
  // The columns that fit beside one another.
  std::vector<bool> Fitting(const std::vector<size_t>& widths, size_t width) const;

  std::vector<Row> rows_;
  std::vector<std::string> notes_;  // of each row, empty: none
};

// "5s", "4m10s", "3h", "2d", rounded like in kubectl. Negative: "0s".
std::string FormatAge(int64_t seconds);

// "2026-11-21T22:10:05Z".
std::string FormatTime(int64_t seconds);

}  // namespace tulle::cli
