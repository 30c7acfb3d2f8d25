#include "sidecar/identity/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "net/base/private_file.h"

namespace tulle::identity {
namespace {

constexpr size_t kLargest = 256 * 1024 * 1024;

absl::Status Failed(const char* what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno),
                   "; check that the directory exists, its permissions and free space"));
}

}  // namespace

absl::StatusOr<std::string> ReadStateFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT)
    return absl::NotFoundError(absl::StrCat(path, " does not exist"));
  if (descriptor < 0) return Failed("open", path);
  std::string content;
  char piece[65536];
  ssize_t count = 0;
  while ((count = read(descriptor, piece, sizeof piece)) != 0 && content.size() < kLargest) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    content.append(piece, static_cast<size_t>(count));
  }
  const bool failed = count < 0;
  close(descriptor);
  if (failed) return Failed("read", path);
  return content;
}

absl::Status WriteStateFile(const std::string& path, std::string_view content) {
  errno = WritePrivateFile(path, content);
  return errno == 0 ? absl::OkStatus() : Failed("write", path);
}

}  // namespace tulle::identity
