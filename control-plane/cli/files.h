// Reading and writing whole files, with errors that say what to do.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::cli {

absl::StatusOr<std::string> ReadFile(const std::string& path);
// A file that is there, with the mode it has: whole or not at all, but in place where it cannot be
// replaced, as a container's /etc/hosts.
absl::Status RewriteFile(const std::string& path, std::string_view text);
// Mode 0600, whole or not at all: a new file beside it, then a rename.
absl::Status WritePrivateFile(const std::string& path, std::string_view text);

}  // namespace tulle::cli
