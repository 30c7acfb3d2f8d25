#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace tulle::recorder {

// A memory mapping. Moves; the last one unmaps.
class Mapping {
 public:
  Mapping() = default;
  Mapping(char* begin, size_t size) : begin_(begin), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping();
  // Of zeros, and used as it is written. Ends the process if there is none.
  static Mapping OfMemory(size_t size);

  // The same bytes, of which only the first `kept` are not zero, from now on in a new file, in the
  // same place. `files`: of this size that go to the same file system. On an error nothing changes.
  absl::Status MoveToFile(const std::string& path, size_t kept, size_t files);
  char* begin() const { return begin_; }
  size_t size() const { return size_; }

 private:
  char* begin_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tulle::recorder
