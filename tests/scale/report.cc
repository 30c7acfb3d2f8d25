#include "tests/scale/report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tulle::scale {

std::string Report::Table() const {
  std::string table = absl::StrFormat("%-58s %12s %-12s %8s\n", "", "measured", "unit", "bar");
  for (const Figure& figure : figures_) {
    const std::string bar = figure.bar ? absl::StrFormat("%.6g", *figure.bar) : "";
    absl::StrAppend(&table, absl::StrFormat("%-58s %12.4g %-12s %8s\n", figure.text, figure.value,
                                            figure.unit, bar));
  }
  for (const std::string& failure : Failures()) absl::StrAppend(&table, "FAILED: ", failure, "\n");
  return table;
}

std::string Report::Json() const {
  nlohmann::json json = {{"figures", nlohmann::json::object()}, {"failures", Failures()}};
  for (const Figure& figure : figures_) json["figures"][figure.key] = figure.value;
  return json.dump(2) + "\n";
}

std::vector<std::string> Report::Failures() const {
  std::vector<std::string> failures = faults_;
  for (const Figure& figure : figures_) {
    if (!figure.is_checked || !figure.bar || figure.value <= *figure.bar) continue;
    failures.push_back(absl::StrFormat("%s: %.4g %s, must be at most %.4g", figure.text,
                                       figure.value, figure.unit, *figure.bar));
  }
  return failures;
}

}  // namespace tulle::scale
