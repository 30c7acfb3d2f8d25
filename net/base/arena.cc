#include "net/base/arena.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace tulle {
namespace {
constexpr size_t kFirstBlock = 4096;
constexpr size_t kNextBlock = 8192;
}  // namespace

void* Arena::Allocate(size_t size, size_t alignment) {
  uintptr_t at = (reinterpret_cast<uintptr_t>(at_) + alignment - 1) & ~(alignment - 1);
  if (at_ == nullptr || at + size > reinterpret_cast<uintptr_t>(end_)) {
    Grow(size + alignment);
    at = (reinterpret_cast<uintptr_t>(at_) + alignment - 1) & ~(alignment - 1);
  }
  at_ = reinterpret_cast<char*>(at + size);
  return reinterpret_cast<void*>(at);
}

void Arena::Grow(size_t at_least) {
  const size_t wanted =
      std::max(blocks_ == nullptr ? kFirstBlock : kNextBlock, at_least + sizeof(Block));
  const size_t size = Slab::Rounded(wanted);
  Block* block = static_cast<Block*>(slab_.Allocate(size));
  block->next = blocks_;
  block->size = size;
  blocks_ = block;
  bytes_ += size;
  at_ = reinterpret_cast<char*>(block + 1);
  end_ = reinterpret_cast<char*>(block) + size;
}

std::string_view Arena::Copy(std::string_view text) {
  if (text.empty()) return {};
  char* out = static_cast<char*>(Allocate(text.size(), 1));
  std::memcpy(out, text.data(), text.size());
  return {out, text.size()};
}

char* Arena::Put(char* at, std::string_view piece) {
  if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
  return at + piece.size();
}

void Arena::Clear() {
  while (blocks_ != nullptr) {
    Block* next = blocks_->next;
    slab_.Free(blocks_, blocks_->size);
    blocks_ = next;
  }
  at_ = end_ = nullptr;
  bytes_ = 0;
}

}  // namespace tulle
