#pragma once

#include <string>
#include <string_view>

namespace tulle {

// Replaces a file that only its owner may read (mode 0600), such as a key or a credential: writes a
// new file beside it (`path` + ".new"), syncs it and renames it, so that a reader sees all of it or
// nothing, and a crash leaves the former content. Blocks on the disk: not for the data path.
// Returns 0, or errno of what failed; then the former file is unchanged. Any thread.
int WritePrivateFile(const std::string& path, std::string_view content);

}  // namespace tulle
