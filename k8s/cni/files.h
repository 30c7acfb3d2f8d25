// Files that other programs read while they are replaced. Blocking.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::cni {

absl::StatusOr<std::string> ReadWhole(const std::string& path);
// At once: readers see the old content or the new. A file that exists keeps its mode.
absl::Status ReplaceFile(const std::string& path, const std::string& content, unsigned mode);

}  // namespace tulle::cni
