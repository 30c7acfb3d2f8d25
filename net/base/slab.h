#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tulle {

// A worker's memory: free lists by size class, so that the data path never asks malloc in steady
// state.
//
// Owner: Worker (or the main loop, or a test). Thread: the owner's only. Everything drawn from a
// Slab goes back to the same Slab before it is destroyed (checked). Blocks above kLargest come from
// malloc, counted.
class Slab {
 public:
  static constexpr size_t kSmallest = 64;
  static constexpr size_t kLargest = 64 * 1024;

  Slab() = default;
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // Never null: memory that cannot be had ends the process (std::bad_alloc). Aligned to 16 bytes.
  void* Allocate(size_t size);
  // `size` is what Allocate was asked for.
  void Free(void* memory, size_t size);

  // The size that an allocation of `size` really has; callers may use all of it if they free with
  // the same `size`.
  static size_t Rounded(size_t size);

  size_t bytes_in_use() const { return bytes_in_use_; }
  size_t bytes_reserved() const { return bytes_reserved_; }

  // Gives free chunks of the large classes back to the system. Call when idle.
  void Trim();

 private:
  struct FreeBlock {
    FreeBlock* next;
  };
  struct Chunk {
    Chunk* next;
  };
  static constexpr int kClasses = 11;  // 64 << 0 .. 64 << 10
  static int ClassOf(size_t size);
  void Refill(int size_class);

  std::array<FreeBlock*, kClasses> free_{};
  Chunk* chunks_ = nullptr;
  size_t bytes_in_use_ = 0;
  size_t bytes_reserved_ = 0;
};

}  // namespace tulle
