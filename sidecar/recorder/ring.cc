#include "sidecar/recorder/ring.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "net/base/out_of_memory.h"

namespace tulle::recorder {
namespace {

// The header has a page of its own.
constexpr size_t kHeaderBytes = 4096;
static_assert(sizeof(RingHeader) <= kHeaderBytes);
constexpr uint32_t kMostRecords = 64 * 1024;

size_t BytesFor(uint32_t records) { return kHeaderBytes + size_t{records} * kRecordBytes; }

// Closes.
class File {
 public:
  File(const std::string& path, int flags)
      : descriptor_(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status Failed(const std::string& path, int error) {
  return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(error)));
}

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

bool IsOurs(const RingHeader& header, size_t file_bytes) {
  return std::memcmp(header.magic, RingHeader::kMagic, sizeof(header.magic)) == 0 &&
         header.version == RingHeader::kVersion && header.record_bytes == kRecordBytes &&
         header.records != 0 && header.records <= kMostRecords &&
         (header.records & (header.records - 1)) == 0 && file_bytes == BytesFor(header.records);
}

// False: there is less, or it cannot be read.
bool ReadAt(int descriptor, size_t offset, void* to, size_t bytes) {
  return pread(descriptor, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

// What a crash left is worth keeping if it recorded anything.
void KeepFormer(const std::string& path) {
  const auto former = Ring::ReadFile(path + ".ring");
  if (former.ok() && former->next() != 0) {
    rename((path + ".ring").c_str(), (path + ".previous.ring").c_str());
  } else {
    unlink((path + ".ring").c_str());
  }
}

}  // namespace

Mapping::~Mapping() {
  if (begin_ != nullptr) munmap(begin_, size_);
}

Ring::Ring(uint32_t worker, uint32_t records) : records_(records) {
  void* memory = mmap(nullptr, BytesFor(records), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) ExitOutOfMemory();
  memory_ = Mapping(static_cast<char*>(memory), BytesFor(records));
  RingHeader& about = header();
  std::memcpy(about.magic, RingHeader::kMagic, sizeof(about.magic));
  about.version = RingHeader::kVersion;
  about.record_bytes = kRecordBytes;
  about.records = records;
  about.worker = worker;
  about.pid = static_cast<uint32_t>(getpid());
  about.started = std::time(nullptr);
}

absl::StatusOr<Ring> Ring::ReadFile(const std::string& path) {
  // Not blocked by a pipe of that name.
  const File file(path, O_RDONLY | O_NONBLOCK);
  struct stat about;
  if (file.get() < 0 || fstat(file.get(), &about) != 0) return Failed(path, errno);
  if (!S_ISREG(about.st_mode)) return absl::DataLossError(absl::StrCat(path, ": not a file"));
  const auto size = static_cast<size_t>(about.st_size);
  if (size < kHeaderBytes || size > BytesFor(kMostRecords))
    return absl::DataLossError(absl::StrCat(path, ": not the file of a flight recorder"));
  RingHeader header;
  if (!ReadAt(file.get(), 0, &header, sizeof(header)) || !IsOurs(header, size)) {
    return absl::DataLossError(absl::StrCat(
        path, ": not the file of a flight recorder, or of another version of tulle-sidecar"));
  }
  Ring ring(header.worker, header.records);
  ring.header() = header;
  if (!ring.ReadPlaces(file.get()))
    return absl::DataLossError(absl::StrCat(path, ": the file was cut short while it was read"));
  return ring;
}

// A record that is written meanwhile has another sequence in its first word before or after.
bool Ring::ReadPlaces(int descriptor) {
  for (uint32_t place = 0; place < records_; ++place) {
    const size_t offset = kHeaderBytes + size_t{place} * kRecordBytes;
    uint64_t* const words = Place(place);
    if (!ReadAt(descriptor, offset, words, kRecordBytes)) return false;
    uint64_t sequence = 0;
    if (!ReadAt(descriptor, offset, &sequence, sizeof(sequence))) return false;
    if (sequence != words[0]) words[0] = 0;
  }
  return true;
}

absl::Status Ring::MoveToFile(const std::string& path, size_t rings) {
  KeepFormer(path);
  const std::string name = path + ".ring";
  const File file(name, O_RDWR | O_CREAT | O_EXCL);
  if (file.get() < 0) return Failed(name, errno);
  int error = MakeRoom(file.get(), memory_.size(), rings);
  if (error == 0 && pwrite(file.get(), &header(), sizeof(RingHeader), 0) < 0) error = errno;
  // In the same place, since the worker knows its address.
  if (error == 0 && mmap(memory_.begin(), memory_.size(), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_FIXED, file.get(), 0) == MAP_FAILED) {
    error = errno;
  }
  if (error == 0) return absl::OkStatus();
  unlink(name.c_str());
  return Failed(name, error);
}

uint64_t* Ring::Place(uint64_t number) const {
  const size_t place = number & (records_ - 1);
  return reinterpret_cast<uint64_t*>(memory_.begin() + kHeaderBytes) + place * kRecordWords;
}

std::optional<Record> Ring::ReadPlace(uint32_t place) const {
  uint64_t* const words = Place(place);
  Record::Words copy;
  for (size_t i = 0; i < kRecordWords; ++i)
    copy[i] = std::atomic_ref<uint64_t>(words[i]).load(std::memory_order_acquire);
  if (std::atomic_ref<uint64_t>(words[0]).load(std::memory_order_relaxed) != copy[0]) return {};
  if (!Record::IsSound(copy)) return {};
  return Record(copy);
}

std::optional<Record> Ring::Read(uint64_t number) const {
  auto found = ReadPlace(static_cast<uint32_t>(number & (records_ - 1)));
  if (found && found->number() != number) found.reset();
  return found;
}

}  // namespace tulle::recorder
