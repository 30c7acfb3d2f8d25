#include "k8s/cni/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace tulle::cni {
namespace {

absl::Status ErrorAt(const std::string& path) {
  const std::string text = absl::StrCat(path, ": ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(text) : absl::FailedPreconditionError(text);
}

bool WriteAll(int file, const std::string& content) {
  for (size_t done = 0; done < content.size();) {
    const ssize_t count = write(file, content.data() + done, content.size() - done);
    if (count < 0) return false;
    done += static_cast<size_t>(count);
  }
  return fsync(file) == 0;
}

// Its name must not end like that of a configuration: container runtimes would load it.
std::string BesideOf(const std::string& path) {
  const size_t slash = path.rfind('/') + 1;
  return absl::StrCat(path.substr(0, slash), ".", path.substr(slash), ".tulle-new");
}

}  // namespace

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) return ErrorAt(path);
  return text;
}

absl::Status ReplaceFile(const std::string& path, const std::string& content, unsigned mode) {
  struct stat old {};
  if (stat(path.c_str(), &old) == 0) mode = old.st_mode & 07777;
  const std::string beside = BesideOf(path);
  unlink(beside.c_str());  // of an interrupted run
  const int file = open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return ErrorAt(beside);
  const bool written = WriteAll(file, content) && fchmod(file, mode) == 0;
  const absl::Status failure = written ? absl::OkStatus() : ErrorAt(beside);
  close(file);
  if (written && rename(beside.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const absl::Status status = written ? ErrorAt(path) : failure;
  unlink(beside.c_str());
  return status;
}

}  // namespace tulle::cni
