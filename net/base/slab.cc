// Free lists by size class, and the reserve for when the system is out of memory.
#include "net/base/slab.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <vector>

#include "net/base/out_of_memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define TULLE_SLAB_PASSTHROUGH \
  1  // every block comes from malloc, so that AddressSanitizer sees each lifetime
#else
#define TULLE_SLAB_PASSTHROUGH 0
#endif

namespace tulle {
namespace {

// Small classes are carved from chunks of this size; a class of at least a quarter of it takes
// blocks one by one from malloc.
constexpr size_t kChunk = 32 * 1024;
constexpr size_t kChunkHeader = 16;
// Less is not worth reading all free blocks for.
constexpr size_t kWorthSearching = 1024 * 1024;

// Which chunks have free blocks only. Order: Add, Sort, OnFree for each free block, IsFree.
class ChunkUses {
 public:
  void Add(const void* chunk) { uses_.push_back({reinterpret_cast<uintptr_t>(chunk), 0, 0}); }
  void Sort() {
    std::sort(uses_.begin(), uses_.end(),
              [](const Use& a, const Use& b) { return a.start < b.start; });
  }
  void OnFree(const void* block, size_t size) {
    Use& use = Of(block);
    use.block = size;
    use.free += size;
  }
  // `at`: a chunk, or a block in it.
  bool IsFree(const void* at) {
    const Use& use = Of(at);
    return use.block > 0 && use.free == (kChunk - kChunkHeader) / use.block * use.block;
  }

 private:
  struct Use {
    uintptr_t start;
    size_t block;  // the size of its blocks
    size_t free;   // bytes
  };
  // Blocks that follow each other in a list are often of one chunk.
  Use& Of(const void* pointer) {
    const auto at = reinterpret_cast<uintptr_t>(pointer);
    if (at - uses_[last_].start < kChunk) return uses_[last_];
    const auto after = std::upper_bound(uses_.begin(), uses_.end(), at,
                                        [](uintptr_t a, const Use& use) { return a < use.start; });
    last_ = static_cast<size_t>(after - uses_.begin()) - 1;
    return uses_[last_];
  }

  std::vector<Use> uses_;
  size_t last_ = 0;
};

}  // namespace

void* MemorySource::Take(size_t size) { return std::malloc(size); }

MemorySource& SystemMemory() {
  static MemorySource system;
  return system;
}

Slab::Slab(MemorySource& source) : source_(source) { FillReserve(); }

int Slab::ClassOf(size_t size) {
  if (size <= kSmallest) return 0;
  return std::bit_width((size - 1) / kSmallest);
}

size_t Slab::Rounded(size_t size) { return size > kLargest ? size : kSmallest << ClassOf(size); }

void* Slab::Allocate(size_t size) { return Draw(size, Want::kMust); }

void* Slab::TryAllocate(size_t size) { return Draw(size, Want::kMay); }

void* Slab::Draw(size_t size, Want want) {
  if (size > kLargest || TULLE_SLAB_PASSTHROUGH) {
    void* memory = TakeBlock(Rounded(size), want);
    if (memory != nullptr) bytes_in_use_ += Rounded(size);
    return memory;
  }
  const int size_class = ClassOf(size);
  if (free_[size_class] == nullptr && !Refill(size_class, want)) return nullptr;
  FreeBlock* block = free_[size_class];
  free_[size_class] = block->next;
  bytes_in_use_ += kSmallest << size_class;
  return block;
}

void Slab::Free(void* memory, size_t size) {
  bytes_in_use_ -= Rounded(size);
  if (size > kLargest || TULLE_SLAB_PASSTHROUGH) {
    std::free(memory);
    return;
  }
  const int size_class = ClassOf(size);
  FreeBlock* block = static_cast<FreeBlock*>(memory);
  block->next = free_[size_class];
  free_[size_class] = block;
}

void* Slab::TryAllocateExact(size_t size) {
  void* memory = TakeBlock(size, Want::kMay);
  if (memory != nullptr) bytes_in_use_ += size;
  return memory;
}

void Slab::FreeExact(void* memory, size_t size) {
  bytes_in_use_ -= size;
  std::free(memory);
}

void* Slab::Scratch() {
  if (scratch_ == nullptr) scratch_ = source_.Take(kScratch);
  return scratch_;
}

bool Slab::Refill(int size_class, Want want) {
  const size_t block_size = kSmallest << size_class;
  const bool single = block_size >= kChunk / 4;
  const size_t taken = single ? block_size : kChunk;
  void* memory = TakeBlock(taken, want);
  if (memory == nullptr) return false;
  bytes_reserved_ += taken;
  if (single) {
    free_[size_class] = static_cast<FreeBlock*>(memory);
    free_[size_class]->next = nullptr;
    return true;
  }
  Chunk* chunk = static_cast<Chunk*>(memory);
  chunk->next = chunks_;
  chunks_ = chunk;
  for (size_t at = kChunkHeader; at + block_size <= kChunk; at += block_size) {
    FreeBlock* block = reinterpret_cast<FreeBlock*>(static_cast<char*>(memory) + at);
    block->next = free_[size_class];
    free_[size_class] = block;
  }
  return true;
}

// A block of the reserve may be larger than requested; it is returned with std::free like any
// other.
void* Slab::TakeBlock(size_t size, Want want) {
  if (void* memory = source_.Take(size)) return memory;
  if (want == Want::kMay) return nullptr;
  if (size > kLargest || reserve_left_ == 0) ExitOutOfMemory();
  return reserve_[--reserve_left_];
}

bool Slab::FillReserve() {
  while (reserve_left_ < kReserve) {
    void* block = source_.Take(kLargest);
    if (block == nullptr) return false;
    reserve_[reserve_left_++] = block;
  }
  return true;
}

size_t Slab::Trim() {
  const size_t reserved = bytes_reserved_;
  for (int size_class = 0; size_class < kClasses; ++size_class) {
    if ((kSmallest << size_class) < kChunk / 4) continue;
    while (FreeBlock* block = free_[size_class]) {
      free_[size_class] = block->next;
      bytes_reserved_ -= kSmallest << size_class;
      std::free(block);
    }
  }
  if (bytes_reserved_ < kWorthSearching || bytes_in_use_ > bytes_reserved_ / 2)
    return reserved - bytes_reserved_;
  // After a peak, most blocks are free: chunks of which all are go back too.
  ChunkUses uses;
  for (Chunk* chunk = chunks_; chunk != nullptr; chunk = chunk->next) uses.Add(chunk);
  uses.Sort();
  for (int size_class = 0; (kSmallest << size_class) < kChunk / 4; ++size_class) {
    for (FreeBlock* block = free_[size_class]; block != nullptr; block = block->next)
      uses.OnFree(block, kSmallest << size_class);
  }
  for (int size_class = 0; (kSmallest << size_class) < kChunk / 4; ++size_class) {
    for (FreeBlock** link = &free_[size_class]; *link != nullptr;) {
      FreeBlock* const block = *link;
      if (uses.IsFree(block)) {
        *link = block->next;
      } else {
        link = &block->next;
      }
    }
  }
  for (Chunk** link = &chunks_; *link != nullptr;) {
    Chunk* const chunk = *link;
    if (!uses.IsFree(chunk)) {
      link = &chunk->next;
      continue;
    }
    *link = chunk->next;
    bytes_reserved_ -= kChunk;
    std::free(chunk);
  }
  return reserved - bytes_reserved_;
}

Slab::~Slab() {
  assert(bytes_in_use_ == 0 && "memory allocated from a slab outlives it");
  Trim();
  while (chunks_ != nullptr) {
    Chunk* next = chunks_->next;
    std::free(chunks_);
    chunks_ = next;
  }
  while (reserve_left_ > 0) std::free(reserve_[--reserve_left_]);
  std::free(scratch_);
}

}  // namespace tulle
