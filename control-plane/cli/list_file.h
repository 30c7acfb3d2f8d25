// Splits a list of policies, as `tullectl get -o json` and kubectl write it, into documents, which
// the policy parser expects. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tulle::cli {

struct UnwrappedList {
  std::string text;        // a document a line, with "---" between
  std::vector<int> lines;  // where each of these lines stood in the file, from 1
};

// Absent: no document of `text` is a list ({items: [...]}, with `kind: List` or without a kind), or
// it is no YAML; the parser says what is wrong with it then.
std::optional<UnwrappedList> UnwrapList(const std::string& text);

}  // namespace tulle::cli
