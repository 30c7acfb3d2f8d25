#include "net/http2/memory.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tulle::http2 {
namespace {

// nghttp2 frees without a size, which the slab needs: it is stored before each block.
struct alignas(16) BlockHead {
  size_t size;
  bool is_exact;
};

// nghttp2 takes a buffer of this size for each session and writes every frame into it. What is in
// it is needed only until the next call of nghttp2_session_mem_send, and the writer copies it
// before: one buffer serves all sessions of a thread. A header block of several frames gets more
// buffers, which are the session's own.
constexpr size_t kFrameBuffer = 9 + 1 + 16384;  // frame head, padding length, payload
static_assert(kFrameBuffer <= Slab::kScratch);

// A session keeps further blocks for as long as it lives, some of which would have half of their
// classes' sizes to spare. What a request needs is smaller.
bool WouldWaste(size_t size) { return size > 1024 && Slab::Rounded(size) - size > size / 8; }

SessionMemory& Of(void* self) { return *static_cast<SessionMemory*>(self); }

}  // namespace

void SessionMemory::OnFramesCopied() {
#ifndef NDEBUG
  if (frame_buffer_ != nullptr) std::memset(frame_buffer_, 0xdd, kFrameBuffer);
#endif
}

void* SessionMemory::Allocate(size_t size, void* self) {
  if (size == kFrameBuffer && Of(self).frame_buffer_ == nullptr) {
    Of(self).frame_buffer_ = Of(self).slab_.Scratch();
    if (Of(self).frame_buffer_ == nullptr) Of(self).failed_ = true;
    return Of(self).frame_buffer_;
  }
  Of(self).used_ = true;
  const size_t total = size + sizeof(BlockHead);
  Slab& slab = Of(self).slab_;
  const bool is_exact = WouldWaste(total);
  void* memory = total < size ? nullptr
                 : is_exact   ? slab.TryAllocateExact(total)
                              : slab.TryAllocate(total);
  if (memory == nullptr) {
    Of(self).failed_ = true;
    return nullptr;
  }
  auto* head = static_cast<BlockHead*>(memory);
  *head = {total, is_exact};
  return head + 1;
}

void SessionMemory::Free(void* memory, void* self) {
  if (memory == nullptr || memory == Of(self).frame_buffer_) return;
  if (memory == Of(self).stream_table_.get()) return Of(self).stream_table_.Unmap();
  BlockHead* head = static_cast<BlockHead*>(memory) - 1;
  Slab& slab = Of(self).slab_;
  if (head->is_exact) {
    slab.FreeExact(head, head->size);
  } else {
    slab.Free(head, head->size);
  }
}

void* SessionMemory::AllocateZeroed(size_t count, size_t size, void* self) {
  ZeroedPage& table = Of(self).stream_table_;
  if (count * size == ZeroedPage::kSize && table.get() == nullptr && table.Map() != nullptr)
    return table.get();
  void* memory = Allocate(count * size, self);
  if (memory != nullptr) std::memset(memory, 0, count * size);
  return memory;
}

void* SessionMemory::Reallocate(void* memory, size_t size, void* self) {
  if (memory == nullptr) return Allocate(size, self);
  assert(memory != Of(self).frame_buffer_ && memory != Of(self).stream_table_.get());
  BlockHead* head = static_cast<BlockHead*>(memory) - 1;
  const size_t total = size + sizeof(BlockHead);
  if (!head->is_exact && Slab::Rounded(total) == Slab::Rounded(head->size)) {
    head->size = total;
    return memory;
  }
  void* moved = Allocate(size, self);
  if (moved == nullptr) return nullptr;  // the old block stays valid, as with realloc
  std::memcpy(moved, memory, std::min(size, head->size - sizeof(BlockHead)));
  Free(memory, self);
  return moved;
}

nghttp2_mem SessionMemory::hooks() { return {this, Allocate, Free, AllocateZeroed, Reallocate}; }

}  // namespace tulle::http2
