#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::recorder {

absl::Status FileError(const std::string& path, int error);

// An open file, which is closed at the end. Not one that a link leads to.
class File {
 public:
  // `flags` as of open(2).
  File(const std::string& path, int flags);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  // Why it is not open.
  const absl::Status& error() const { return error_; }
  int get() const { return descriptor_; }
  // In bytes. An error if it is not open, or not a regular file.
  absl::StatusOr<size_t> Size() const;
  // False: there is less, or it cannot be read.
  bool Read(size_t offset, void* to, size_t bytes) const;

 private:
  const std::string path_;
  const int descriptor_;
  const absl::Status error_;
};

}  // namespace tulle::recorder
