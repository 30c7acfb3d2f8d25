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

// Returns errno; 0: read.
int Read(const std::string& path, std::string* content) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  char piece[65536];
  ssize_t count = 0;
  int error = 0;
  while ((count = read(descriptor, piece, sizeof piece)) != 0 && content->size() < kLargest) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      error = errno;
      break;
    }
    content->append(piece, static_cast<size_t>(count));
  }
  close(descriptor);
  return error;
}

}  // namespace

absl::StatusOr<std::string> ReadStateFile(const std::string& path) {
  std::string content;
  const int error = Read(path, &content);
  if (error == 0) return content;
  if (error == ENOENT) return absl::NotFoundError(absl::StrCat(path, " does not exist"));
  errno = error;
  return Failed("read", path);
}

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  std::string content;
  const int error = Read(path, &content);
  if (error == 0) return content;
  if (error == ENOENT) {
    return absl::NotFoundError(
        absl::StrCat("token file ", path,
                     " not found; waiting for it. Create one with `tullectl token create`"));
  }
  return absl::UnavailableError(absl::StrCat("cannot read token file ", path, ": ",
                                             std::strerror(error),
                                             "; the sidecar's user must be able to read it"));
}

absl::Status WriteStateFile(const std::string& path, std::string_view content) {
  errno = WritePrivateFile(path, content);
  return errno == 0 ? absl::OkStatus() : Failed("write", path);
}

}  // namespace tulle::identity
