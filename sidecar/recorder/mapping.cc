#include "sidecar/recorder/mapping.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "net/base/out_of_memory.h"
#include "sidecar/recorder/file.h"

namespace tulle::recorder {
namespace {

// Writing into a mapped file that finds no room ends the process: the room is made sure of before.
// Files in memory are the exception, since their room would be memory that is not used yet.
int MakeRoom(int descriptor, size_t bytes, size_t files) {
  struct statfs system;
  if (fstatfs(descriptor, &system) != 0) return errno;
  if (system.f_type != TMPFS_MAGIC && system.f_type != RAMFS_MAGIC)
    return posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  const bool limited = system.f_blocks != 0;
  const auto free = static_cast<uint64_t>(system.f_bavail) * static_cast<uint64_t>(system.f_bsize);
  if (limited && free < 2 * bytes * files) return ENOSPC;
  return ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
}

}  // namespace

Mapping::~Mapping() {
  if (begin_ != nullptr) munmap(begin_, size_);
}

Mapping Mapping::OfMemory(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) ExitOutOfMemory();
  return {static_cast<char*>(memory), size};
}

absl::Status Mapping::MoveToFile(const std::string& path, size_t kept, size_t files) {
  const File file(path, O_RDWR | O_CREAT | O_EXCL);
  if (!file.is_open()) return file.error();
  int error = MakeRoom(file.get(), size_, files);
  if (error == 0 && pwrite(file.get(), begin_, kept, 0) < 0) error = errno;
  // In the same place, since the worker knows its address.
  if (error == 0 && mmap(begin_, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.get(),
                         0) == MAP_FAILED) {
    error = errno;
  }
  if (error == 0) return absl::OkStatus();
  unlink(path.c_str());
  return FileError(path, error);
}

}  // namespace tulle::recorder
