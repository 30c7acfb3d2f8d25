#include "sidecar/identity/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::identity {

absl::StatusOr<StateDirectory> StateDirectory::Hold(const std::string& path) {
  std::error_code ignored;  // opening it reports what is wrong
  std::filesystem::create_directories(std::filesystem::path(path + "/").parent_path().parent_path(),
                                      ignored);
  mkdir(path.c_str(), 0700);
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return absl::UnavailableError(
        absl::StrCat("--state-dir ", path, ": ", std::strerror(errno),
                     "; use a directory that this user can create or write"));
  }
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return StateDirectory(descriptor);
  close(descriptor);
  return absl::UnavailableError(
      absl::StrCat("--state-dir ", path,
                   " is in use by another tulle-sidecar; give each its own, or stop the other"));
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

StateDirectory& StateDirectory::operator=(StateDirectory&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

StateDirectory::~StateDirectory() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace tulle::identity
