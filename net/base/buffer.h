#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/base/slab.h"

namespace tulle {

// A FIFO of bytes held in reference-counted slab blocks. Bytes move between buffers by reference,
// so that a body is never copied on its way from one connection to another.
//
// Owner: the holder. Thread: the slab's; counts are not atomic. A Buffer, and every Buffer that
// got bytes from it, must be destroyed before the slab.
class Buffer {
 public:
  explicit Buffer(Slab& slab) : slab_(&slab) {}
  ~Buffer() { Clear(); }
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Copies; fills the free space of the last block first if the block is not shared.
  void Append(std::string_view bytes);
  // Takes all of `other`, which is left empty. No copy.
  void Append(Buffer& other);
  // Moves the first `count` bytes (at most size()) out of `other`. No copy.
  void AppendFront(Buffer& other, size_t count);
  // Shares the bytes of `other` without removing them (for bodies kept for a retry). No copy.
  void AppendShared(const Buffer& other);

  // Space to read into: a contiguous piece of at least `minimum` bytes at the end. Commit says how
  // many bytes were written. Do not modify the buffer between the two calls.
  std::span<char> Reserve(size_t minimum);
  void Commit(size_t count);

  // Drops the first `count` bytes (at most size()).
  void Drain(size_t count);
  void Clear();

  // The first contiguous piece.
  std::string_view Front() const;
  // Makes the first `count` bytes (at most size()) contiguous, copying only if they are not, and
  // returns them.
  std::string_view Linearize(size_t count);
  // Fills `out` with the first pieces; returns how many.
  int Gather(std::span<iovec> out) const;
  // Calls visit(std::string_view) for each contiguous piece, in order. It may not change the
  // buffer.
  template <typename Visit>
  void ForEachPiece(const Visit& visit) const {
    for (const Slice* slice = head_; slice != nullptr; slice = slice->next)
      visit(std::string_view(slice->data, slice->size));
  }
  // Copies everything (for tests and small control-path messages).
  std::string ToString() const;

  Slab& slab() const { return *slab_; }
  // Bytes of slab memory that this buffer keeps alive. Memory limits are checked against it.
  size_t footprint() const;

 private:
  struct Block {
    uint32_t references;
    uint32_t size;  // of the whole slab block
    uint32_t used;  // bytes of data handed out so far; only the last slice that ends there may grow
    char* data() { return reinterpret_cast<char*>(this + 1); }
    uint32_t capacity() const { return size - sizeof(Block); }
  };
  struct Slice {
    Slice* next;
    Block* block;
    char* data;
    size_t size;
  };
  static constexpr size_t kBlock = 16 * 1024;

  Slice* NewSlice(Block* block, char* data, size_t size);
  void PushBack(Slice* slice);
  void PopFront();
  Block* NewBlock(size_t minimum);
  void Release(Block* block);
  size_t TailRoom() const;

  Slab* slab_;
  Slice* head_ = nullptr;
  Slice* tail_ = nullptr;
  size_t size_ = 0;
  Block* reserved_ = nullptr;  // a fresh block between Reserve and Commit
};

}  // namespace tulle
