#include "control-plane/cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"
#include "net/base/private_file.h"

namespace tulle::cli {
namespace {

absl::Status WriteError(const std::string& path) {
  return UserError(absl::StrCat("cannot write ", path, ": ", strerror(errno)),
                   "check owner, mode and free space of its folder");
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  struct stat status {};
  if (file && stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    file.setstate(std::ios::failbit);
  }
  if (!file || !(text << file.rdbuf() || file.peek() == std::ifstream::traits_type::eof())) {
    return UserError(absl::StrCat("cannot read ", path, ": ", strerror(errno)),
                     "check the path and your permissions");
  }
  return text.str();
}

absl::Status RewriteFile(const std::string& path, std::string_view text) {
  struct stat old {};
  if (stat(path.c_str(), &old) != 0) return WriteError(path);
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file >= 0) {
    const bool is_written =
        write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        fchmod(file, old.st_mode & 07777) == 0 && fsync(file) == 0;
    // Only root can keep another owner; others could not have written the file either.
    const bool is_owned = old.st_uid == geteuid() || fchown(file, old.st_uid, old.st_gid) == 0;
    close(file);
    if (is_written && is_owned && rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
    unlink(fresh.c_str());
  }
  std::ofstream in_place(path, std::ios::binary | std::ios::trunc);
  in_place << text;
  in_place.flush();
  return in_place ? absl::OkStatus() : WriteError(path);
}

absl::Status WritePrivateFile(const std::string& path, std::string_view text) {
  errno = tulle::WritePrivateFile(path, text);
  return errno == 0 ? absl::OkStatus() : WriteError(path);
}

}  // namespace tulle::cli
