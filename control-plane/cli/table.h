// Tables like kubectl's: upper-case headers, columns three spaces apart, no lines. Pure.
#ifndef TULLE_CONTROL_PLANE_CLI_TABLE_H_
#define TULLE_CONTROL_PLANE_CLI_TABLE_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace tulle::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headers) : rows_{std::move(headers)} {}

  // As many cells as headers; an empty one is shown as <none>.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.size() == 1; }
  void Print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "5s", "4m10s", "3h", "2d": as exact as one needs, as kubectl has it. Negative: "0s".
std::string FormatAge(int64_t seconds);

// "2026-11-21T22:10:05Z".
std::string FormatTime(int64_t seconds);

}  // namespace tulle::cli

#endif  // TULLE_CONTROL_PLANE_CLI_TABLE_H_
