// One error in a policy file: where it is, what is wrong and what would be right.
// Values; any thread. Errors are collected, never thrown: a file is accepted or rejected as a
// whole.
#pragma once

#include <string>
#include <vector>

namespace tulle::policy {

struct Problem {
  std::string file;
  int line = 0;         // 1-based; 0: the file as a whole
  int column = 0;       // 1-based; 0: the line as a whole
  std::string field;    // path as one would write it: spec.rules[0].matches[1].path.type
  std::string message;  // what is wrong
  std::string hint;     // what would be right

  bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

// "shop.yaml:12:14: spec.timeouts.request: invalid duration "2"; use a value like 500ms or 2s"
std::string ToText(const Problem& problem);
std::string ToText(const Problems& problems);  // one a line

}  // namespace tulle::policy
