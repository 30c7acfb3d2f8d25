#pragma once

#include <cstddef>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "net/base/slab.h"

namespace tulle {

// Memory of one request: bump allocation from slab blocks, all returned at once. Destructors are
// not run, so only trivially destructible objects may live here. Owner: the request (or a
// connection's idle state). Thread: the slab's.
class Arena {
 public:
  explicit Arena(Slab& slab) : slab_(slab) {}
  ~Arena() { Clear(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* Allocate(size_t size, size_t alignment = alignof(std::max_align_t));

  template <typename T, typename... Args>
  T* New(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (Allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }
  template <typename T>
  T* NewArray(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return static_cast<T*>(Allocate(sizeof(T) * count, alignof(T)));
  }
  std::string_view Copy(std::string_view text);
  // Concatenates several pieces into one string.
  template <typename... Pieces>
  std::string_view Concat(const Pieces&... pieces) {
    const size_t size = (std::string_view(pieces).size() + ... + 0);
    char* out = static_cast<char*>(Allocate(size, 1));
    char* at = out;
    ((at = Put(at, pieces)), ...);
    return {out, size};
  }

  // Everything allocated so far becomes invalid.
  void Clear();
  size_t bytes() const { return bytes_; }
  Slab& slab() { return slab_; }

 private:
  struct Block {
    Block* next;
    size_t size;
  };
  static char* Put(char* at, std::string_view piece);
  void Grow(size_t at_least);

  Slab& slab_;
  Block* blocks_ = nullptr;
  char* at_ = nullptr;
  char* end_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tulle
