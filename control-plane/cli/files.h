// Reads and writes whole files.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::cli {

absl::StatusOr<std::string> ReadFile(const std::string& path);
// Replaces an existing file atomically and keeps its mode. Writes in place if the file cannot be
// replaced, like /etc/hosts in a container.
absl::Status RewriteFile(const std::string& path, std::string_view text);
// Writes a file of mode 0600 atomically.
absl::Status WritePrivateFile(const std::string& path, std::string_view text);

}  // namespace tulle::cli
