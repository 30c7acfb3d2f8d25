// What is wrong with a policy file, said so that its writer can mend it without asking.
// Owner: whoever parses. Thread: any (values). Errors are collected, never thrown: a file is judged
// whole.
#pragma once

#include <string>
#include <vector>

namespace tulle::policy {

struct Problem {
  std::string file;
  int line = 0;         // 1-based; 0 = the file as a whole
  std::string field;    // path as one would write it: spec.rules[0].matches[1].path.type
  std::string message;  // what is wrong
  std::string hint;     // what would be right

  bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

// "shop.yaml:12: spec.timeouts.request: not a duration; write it like 500ms, 2s or 1m"
std::string ToText(const Problem& problem);
std::string ToText(const Problems& problems);  // one a line

}  // namespace tulle::policy
