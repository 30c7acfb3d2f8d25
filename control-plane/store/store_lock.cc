#include "control-plane/store/store_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tulle::store {
namespace {

// Where SQLite locks, by its file format: one byte each for PENDING and RESERVED, 510 for SHARED.
constexpr off_t kLockBytes = 0x40000000;
constexpr off_t kLockLength = 512;

}  // namespace

absl::StatusOr<StoreLock> StoreLock::Take(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return absl::NotFoundError(absl::StrCat(path, " is not there"));
  if (file < 0) {
    return absl::PermissionDeniedError(absl::StrCat(path, " cannot be opened: ", strerror(errno)));
  }
  StoreLock lock(file);
  struct flock wanted {};
  wanted.l_type = F_WRLCK;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = kLockBytes;
  wanted.l_len = kLockLength;
  if (fcntl(file, F_SETLK, &wanted) == 0) return lock;
  if (errno == EACCES || errno == EAGAIN) {
    return absl::UnavailableError(absl::StrCat(path, " is in use"));
  }
  return absl::PermissionDeniedError(absl::StrCat(path, " cannot be locked: ", strerror(errno)));
}

StoreLock::~StoreLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace tulle::store
