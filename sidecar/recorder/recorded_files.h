#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::recorder {

// The records in the files of a state directory, the newest first, as JSON lines: RequestRecord of
// tulle/insight/v1/insight.proto, and "file". Also while a sidecar uses it. An error says what is
// wrong with the directory; a file that cannot be read is a line with "error".
absl::StatusOr<std::string> RecordsOf(const std::string& directory);

}  // namespace tulle::recorder
