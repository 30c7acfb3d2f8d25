#include "net/base/slab.h"

#include <bit>
#include <cassert>
#include <cstdlib>
#include <new>

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

void* MustAllocate(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

int Slab::ClassOf(size_t size) {
  if (size <= kSmallest) return 0;
  return std::bit_width((size - 1) / kSmallest);
}

size_t Slab::Rounded(size_t size) { return size > kLargest ? size : kSmallest << ClassOf(size); }

void* Slab::Allocate(size_t size) {
  if (size > kLargest || TULLE_SLAB_PASSTHROUGH) {
    bytes_in_use_ += Rounded(size);
    return MustAllocate(Rounded(size));
  }
  const int size_class = ClassOf(size);
  if (free_[size_class] == nullptr) Refill(size_class);
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

void Slab::Refill(int size_class) {
  const size_t block_size = kSmallest << size_class;
  if (block_size >= kChunk / 4) {
    free_[size_class] = static_cast<FreeBlock*>(MustAllocate(block_size));
    free_[size_class]->next = nullptr;
    bytes_reserved_ += block_size;
    return;
  }
  char* memory = static_cast<char*>(MustAllocate(kChunk));
  Chunk* chunk = reinterpret_cast<Chunk*>(memory);
  chunk->next = chunks_;
  chunks_ = chunk;
  bytes_reserved_ += kChunk;
  for (size_t at = kChunkHeader; at + block_size <= kChunk; at += block_size) {
    FreeBlock* block = reinterpret_cast<FreeBlock*>(memory + at);
    block->next = free_[size_class];
    free_[size_class] = block;
  }
}

void Slab::Trim() {
  for (int size_class = 0; size_class < kClasses; ++size_class) {
    if ((kSmallest << size_class) < kChunk / 4) continue;
    while (FreeBlock* block = free_[size_class]) {
      free_[size_class] = block->next;
      bytes_reserved_ -= kSmallest << size_class;
      std::free(block);
    }
  }
}

Slab::~Slab() {
  assert(bytes_in_use_ == 0 && "memory drawn from a slab outlives it");
  Trim();
  while (chunks_ != nullptr) {
    Chunk* next = chunks_->next;
    std::free(chunks_);
    chunks_ = next;
  }
}

}  // namespace tulle
