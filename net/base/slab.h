#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tulle {

// Where slabs get their blocks; they go back by std::free. Owner: who makes the slab; outlives it.
// Thread: the slab's.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  // As malloc: null where the system has no more.
  virtual void* Take(size_t size);
};
MemorySource& SystemMemory();

// A worker's memory: free lists by size class, so that the data path never asks malloc in steady
// state.
//
// Want of memory: a reserve of a megabyte (address space only, until it is used) serves what is
// under way when the system refuses. Whoever begins something new asks short_of_memory() first, who
// moves much data asks nearly_out(), and lets it be; the reserve fills again as soon as it can.
//
// Owner: Worker (or the main loop, or a test). Thread: the owner's only. Everything drawn from a
// Slab goes back to the same Slab before it is destroyed (checked). Blocks above kLargest come from
// the source one by one, counted, and have no reserve.
class Slab {
 public:
  static constexpr size_t kSmallest = 64;
  static constexpr size_t kLargest = 64 * 1024;

  explicit Slab(MemorySource& source = SystemMemory());
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  // Never null: when the reserve is used up too, the process ends with a message. Aligned to 16
  // bytes.
  void* Allocate(size_t size);
  // Null where the system has no more, and the reserve is left alone: for libraries that give up
  // one connection then.
  void* TryAllocate(size_t size);
  // `size` is what Allocate was asked for.
  void Free(void* memory, size_t size);

  // The size that an allocation of `size` really has; callers may use all of it if they free with
  // the same `size`.
  static size_t Rounded(size_t size);

  // The reserve has been used and cannot be filled again now.
  bool short_of_memory() { return reserve_left_ < kReserve && !FillReserve(); }
  // More than half of the reserve is gone.
  bool nearly_out() const { return reserve_left_ < kReserve / 2; }

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
  static constexpr int kReserve = 16;  // blocks of kLargest
  enum class Want : uint8_t { kMust, kMay };
  static int ClassOf(size_t size);
  void* Draw(size_t size, Want want);
  bool Refill(int size_class, Want want);
  void* TakeBlock(size_t size, Want want);
  bool FillReserve();

  MemorySource& source_;
  std::array<FreeBlock*, kClasses> free_{};
  Chunk* chunks_ = nullptr;
  size_t bytes_in_use_ = 0;
  size_t bytes_reserved_ = 0;
  std::array<void*, kReserve> reserve_{};
  int reserve_left_ = 0;
};

}  // namespace tulle
