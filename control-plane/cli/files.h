// Reads and writes whole files.
#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::cli {

absl::StatusOr<std::string> ReadFile(const std::string& path);

struct InputFile {
  std::string name;  // as shown in errors
  std::string text;
};
// What -f names: "-" is `in`; of a folder all *.yaml, *.yml and *.json in order of their names,
// with those of its folders only if `is_recursive`.
absl::StatusOr<std::vector<InputFile>> ReadInputs(const std::vector<std::string>& paths,
                                                  bool is_recursive, std::istream& in);
// Replaces an existing file atomically and keeps its mode. Writes in place if the file cannot be
// replaced, like /etc/hosts in a container.
absl::Status RewriteFile(const std::string& path, std::string_view text);
// Writes a file of mode 0600 atomically.
absl::Status WritePrivateFile(const std::string& path, std::string_view text);

}  // namespace tulle::cli
