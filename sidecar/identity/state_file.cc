#include "sidecar/identity/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tulle::identity {
namespace {

constexpr size_t kLargest = 256 * 1024 * 1024;

absl::Status Failed(const char* what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno),
                   "; check that the state directory exists, is writable and has free space"));
}

bool WriteAll(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = write(descriptor, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    content.remove_prefix(static_cast<size_t>(count));
  }
  return true;
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
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());  // left over from an interrupted save, with any mode
  const int descriptor = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return Failed("create", fresh);
  const bool written = WriteAll(descriptor, content) && fsync(descriptor) == 0;
  const int error = errno;
  close(descriptor);
  errno = error;
  if (!written || rename(fresh.c_str(), path.c_str()) != 0) {
    const absl::Status status = Failed("write", path);
    unlink(fresh.c_str());
    return status;
  }
  return absl::OkStatus();
}

}  // namespace tulle::identity
