#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Small files that a sidecar keeps between runs. Main thread; blocking, off the data path.
namespace tulle::identity {

// kNotFound: no such file.
absl::StatusOr<std::string> ReadStateFile(const std::string& path);
// The same for the join token, which an operator puts there, with errors for that.
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);
// Atomic: written to a new file with mode 0600, synced, and renamed over the old one.
absl::Status WriteStateFile(const std::string& path, std::string_view content);

}  // namespace tulle::identity
