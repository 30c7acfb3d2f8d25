#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tulle {

// Where slabs get their blocks; blocks are returned with std::free. Owner: the slab's creator; must
// outlive the slab. Thread: the slab's.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  // Like malloc: null when the system has no memory left.
  virtual void* Take(size_t size);
};
MemorySource& SystemMemory();

// A worker's memory: free lists by size class, so that the data path never calls malloc in steady
// state.
//
// Out of memory: a reserve of one megabyte (address space only until it is used) serves requests
// already in progress when the system refuses memory. Code that starts new work checks
// short_of_memory() first; code that moves much data checks nearly_out(). Both decline the work
// then. The reserve refills as soon as memory is available again.
//
// Owner: Worker (or the main loop, or a test). Thread: the owner's only. Everything allocated
// from a Slab must be returned to the same Slab before the slab is destroyed (checked). Blocks
// above kLargest come from the source one by one, are counted, and have no reserve.
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
  // Null when the system has no memory left; leaves the reserve alone. For libraries that then
  // close one connection.
  void* TryAllocate(size_t size);
  // A block of no class, exactly that large: for what lives long and would waste much of its class.
  // Null when the system has no memory left.
  void* TryAllocateExact(size_t size);
  void FreeExact(void* memory, size_t size);
  // `size` is the size that was passed to Allocate.
  void Free(void* memory, size_t size);

  // The usable size of an allocation of `size`. Callers may use all of it if they free it with the
  // same `size`.
  static size_t Rounded(size_t size);

  // The reserve has been used and cannot be filled again now.
  bool short_of_memory() { return reserve_left_ < kReserve && !FillReserve(); }
  // More than half of the reserve is used.
  bool nearly_out() const { return reserve_left_ < kReserve / 2; }

  // A block that all code of the thread shares, for what is needed only within a call of a library.
  // Null when the system has no memory left at the first call.
  static constexpr size_t kScratch = 16 * 1024 + 64;
  void* Scratch();

  size_t bytes_in_use() const { return bytes_in_use_; }
  size_t bytes_reserved() const { return bytes_reserved_; }

  // Returns free blocks of the large classes to malloc. The number of bytes.
  size_t Trim();

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
  void* scratch_ = nullptr;
};

}  // namespace tulle
