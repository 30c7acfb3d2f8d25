#include "sidecar/recorder/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tulle::recorder {

absl::Status FileError(const std::string& path, int error) {
  return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(error)));
}

File::File(const std::string& path, int flags)
    : path_(path),
      descriptor_(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)),
      error_(descriptor_ >= 0 ? absl::OkStatus() : FileError(path, errno)) {}

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<size_t> File::Size() const {
  if (!error_.ok()) return error_;
  struct stat about;
  if (fstat(descriptor_, &about) != 0) return FileError(path_, errno);
  if (!S_ISREG(about.st_mode)) return absl::DataLossError(absl::StrCat(path_, ": not a file"));
  return static_cast<size_t>(about.st_size);
}

bool File::Read(size_t offset, void* to, size_t bytes) const {
  return pread(descriptor_, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

}  // namespace tulle::recorder
