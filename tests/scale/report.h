#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tulle::scale {

// What one run found. Owner: the measurement. Thread: main.
class Report {
 public:
  struct Figure {
    std::string key;   // in the JSON
    std::string text;  // in the table
    double value = 0;
    std::string unit;
    std::optional<double> bar = std::nullopt;  // at most this much
    // Times depend on what else the machine does, and memory on the allocator: they have a bar, and
    // --check does not fail because of them.
    bool is_checked = true;
  };

  void Add(Figure figure) { figures_.push_back(std::move(figure)); }
  // What went wrong: a count that is not the expected one, a phase that did not settle.
  void Fault(std::string text) { faults_.push_back(std::move(text)); }

  std::string Table() const;
  std::string Json() const;
  // Faults, and the checked figures that are over their bars.
  std::vector<std::string> Failures() const;

 private:
  std::vector<Figure> figures_;
  std::vector<std::string> faults_;
};

}  // namespace tulle::scale
