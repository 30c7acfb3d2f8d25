// Whether somebody has a store open, asked without opening it: SQLite would read, mend and migrate
// what it opens, and could not tell a damaged file from one in use. Owner and thread: one.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tulle::store {

class StoreLock {
 public:
  // While it is held, every attempt to open the store fails because it is in use. kUnavailable:
  // another process has it open. kPermissionDenied: we may not touch the file. kNotFound: there is
  // none. Not for a process that has the same store open itself.
  static absl::StatusOr<StoreLock> Take(const std::string& path);
  StoreLock(StoreLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int file) : file_(file) {}

  int file_;
};

}  // namespace tulle::store
