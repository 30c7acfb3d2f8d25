// Slices of reference-counted blocks: appending, moving and sharing bytes.
#include "net/base/buffer.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace tulle {

Buffer::Buffer(Buffer&& other) noexcept : slab_(other.slab_) {
  std::swap(head_, other.head_);
  std::swap(tail_, other.tail_);
  std::swap(size_, other.size_);
  std::swap(reserved_, other.reserved_);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  Clear();
  slab_ = other.slab_;
  std::swap(head_, other.head_);
  std::swap(tail_, other.tail_);
  std::swap(size_, other.size_);
  std::swap(reserved_, other.reserved_);
  return *this;
}

Buffer::Slice* Buffer::NewSlice(Block* block, char* data, size_t size) {
  Slice* slice = static_cast<Slice*>(slab_->Allocate(sizeof(Slice)));
  *slice = {nullptr, block, data, size};
  return slice;
}

void Buffer::PushBack(Slice* slice) {
  if (tail_ == nullptr) {
    head_ = tail_ = slice;
  } else {
    tail_->next = slice;
    tail_ = slice;
  }
  size_ += slice->size;
}

void Buffer::PopFront() {
  Slice* slice = head_;
  head_ = slice->next;
  if (head_ == nullptr) tail_ = nullptr;
  size_ -= slice->size;
  Release(slice->block);
  slab_->Free(slice, sizeof(Slice));
}

Buffer::Block* Buffer::NewBlock(size_t minimum) {
  const size_t size = Slab::Rounded(std::max(minimum + sizeof(Block), kBlock));
  Block* block = static_cast<Block*>(slab_->Allocate(size));
  block->references = 1;
  block->size = static_cast<uint32_t>(size);
  block->used = 0;
  return block;
}

void Buffer::Release(Block* block) {
  if (--block->references == 0) slab_->Free(block, block->size);
}

size_t Buffer::TailRoom() const {
  if (tail_ == nullptr) return 0;
  Block* block = tail_->block;
  // Another slice of the block may end elsewhere. Only the slice that ends at `used` may grow into
  // the free space.
  if (tail_->data + tail_->size != block->data() + block->used) return 0;
  return block->capacity() - block->used;
}

void Buffer::Append(std::string_view bytes) {
  if (bytes.empty()) return;
  const size_t here = std::min(bytes.size(), TailRoom());
  if (here > 0) {
    std::memcpy(tail_->data + tail_->size, bytes.data(), here);
    tail_->size += here;
    tail_->block->used += static_cast<uint32_t>(here);
    size_ += here;
    bytes.remove_prefix(here);
  }
  while (!bytes.empty()) {
    Block* block = NewBlock(0);
    const size_t count = std::min<size_t>(bytes.size(), block->capacity());
    std::memcpy(block->data(), bytes.data(), count);
    block->used = static_cast<uint32_t>(count);
    PushBack(NewSlice(block, block->data(), count));
    bytes.remove_prefix(count);
  }
}

void Buffer::Append(Buffer& other) {
  assert(slab_ == other.slab_);
  if (other.head_ == nullptr) return;
  if (tail_ == nullptr) {
    head_ = other.head_;
  } else {
    tail_->next = other.head_;
  }
  tail_ = other.tail_;
  size_ += other.size_;
  other.head_ = other.tail_ = nullptr;
  other.size_ = 0;
}

void Buffer::AppendFront(Buffer& other, size_t count) {
  assert(slab_ == other.slab_);
  count = std::min(count, other.size_);
  if (count == other.size_) return Append(other);
  while (count > 0) {
    Slice* slice = other.head_;
    if (slice->size <= count) {
      count -= slice->size;
      other.head_ = slice->next;
      if (other.head_ == nullptr) other.tail_ = nullptr;
      other.size_ -= slice->size;
      slice->next = nullptr;
      PushBack(slice);
      continue;
    }
    ++slice->block->references;
    PushBack(NewSlice(slice->block, slice->data, count));
    slice->data += count;
    slice->size -= count;
    other.size_ -= count;
    count = 0;
  }
}

void Buffer::AppendShared(const Buffer& other) {
  assert(slab_ == other.slab_);
  for (Slice* slice = other.head_; slice != nullptr; slice = slice->next) {
    ++slice->block->references;
    PushBack(NewSlice(slice->block, slice->data, slice->size));
  }
}

std::span<char> Buffer::Reserve(size_t minimum) {
  assert(reserved_ == nullptr);
  const size_t room = TailRoom();
  if (room >= minimum && room > 0) return {tail_->data + tail_->size, room};
  reserved_ = NewBlock(minimum);
  return {reserved_->data(), reserved_->capacity()};
}

void Buffer::Commit(size_t count) {
  Block* block = std::exchange(reserved_, nullptr);
  if (block == nullptr) {
    assert(count <= TailRoom());
    if (count == 0) return;
    tail_->size += count;
    tail_->block->used += static_cast<uint32_t>(count);
    size_ += count;
    return;
  }
  if (count == 0) return Release(block);
  assert(count <= block->capacity());
  block->used = static_cast<uint32_t>(count);
  PushBack(NewSlice(block, block->data(), count));
}

void Buffer::Drain(size_t count) {
  count = std::min(count, size_);
  while (count > 0) {
    if (head_->size <= count) {
      count -= head_->size;
      PopFront();
      continue;
    }
    head_->data += count;
    head_->size -= count;
    size_ -= count;
    count = 0;
  }
}

void Buffer::Clear() {
  if (reserved_ != nullptr) Release(std::exchange(reserved_, nullptr));
  while (head_ != nullptr) PopFront();
}

std::string_view Buffer::Front() const {
  if (head_ == nullptr) return {};
  return {head_->data, head_->size};
}

std::string_view Buffer::Linearize(size_t count) {
  count = std::min(count, size_);
  if (count == 0) return {};
  if (head_->size >= count) return {head_->data, count};
  Block* block = NewBlock(count);
  size_t done = 0;
  while (done < count) {
    const size_t piece = std::min(head_->size, count - done);
    std::memcpy(block->data() + done, head_->data, piece);
    done += piece;
    Drain(piece);
  }
  block->used = static_cast<uint32_t>(count);
  Slice* slice = NewSlice(block, block->data(), count);
  slice->next = head_;
  head_ = slice;
  if (tail_ == nullptr) tail_ = slice;
  size_ += count;
  return {slice->data, count};
}

int Buffer::Gather(std::span<iovec> out) const {
  size_t used = 0;
  for (Slice* slice = head_; slice != nullptr && used < out.size(); slice = slice->next) {
    out[used++] = {slice->data, slice->size};
  }
  return static_cast<int>(used);
}

std::string Buffer::ToString() const {
  std::string text;
  text.reserve(size_);
  for (Slice* slice = head_; slice != nullptr; slice = slice->next)
    text.append(slice->data, slice->size);
  return text;
}

size_t Buffer::footprint() const {
  size_t total = 0;
  for (Slice* slice = head_; slice != nullptr; slice = slice->next) {
    total += slice->block->size / slice->block->references;
  }
  return total;
}

}  // namespace tulle
