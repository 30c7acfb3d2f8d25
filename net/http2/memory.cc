#include "net/http2/memory.h"

#include <algorithm>
#include <cstring>

namespace tulle::http2 {
namespace {

// nghttp2 frees without saying a size, which the slab needs: it stands before each block.
struct alignas(16) BlockHead {
  size_t size;
};

void* Allocate(size_t size, void* slab) {
  const size_t total = size + sizeof(BlockHead);
  auto* head = static_cast<BlockHead*>(static_cast<Slab*>(slab)->Allocate(total));
  head->size = total;
  return head + 1;
}

void Free(void* memory, void* slab) {
  if (memory == nullptr) return;
  BlockHead* head = static_cast<BlockHead*>(memory) - 1;
  static_cast<Slab*>(slab)->Free(head, head->size);
}

void* AllocateZeroed(size_t count, size_t size, void* slab) {
  void* memory = Allocate(count * size, slab);
  std::memset(memory, 0, count * size);
  return memory;
}

void* Reallocate(void* memory, size_t size, void* slab) {
  if (memory == nullptr) return Allocate(size, slab);
  BlockHead* head = static_cast<BlockHead*>(memory) - 1;
  const size_t total = size + sizeof(BlockHead);
  if (Slab::Rounded(total) == Slab::Rounded(head->size)) {
    head->size = total;
    return memory;
  }
  void* moved = Allocate(size, slab);
  std::memcpy(moved, memory, std::min(size, head->size - sizeof(BlockHead)));
  Free(memory, slab);
  return moved;
}

}  // namespace

nghttp2_mem SlabMemory(Slab& slab) { return {&slab, Allocate, Free, AllocateZeroed, Reallocate}; }

}  // namespace tulle::http2
