// Memory that one thread writes while other threads, or other processes, read it: places of words
// that the machine writes at once. The first word of a place is a sequence: odd while the place is
// written, and another one afterwards. All words are stored and loaded atomically, so that a reader
// sees either the whole of a place or that it does not. Stores with release keep their order, which
// costs x86 nothing.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tulle::recorder {

static_assert(std::endian::native == std::endian::little, "the last word of a text");

constexpr size_t WordsOf(size_t bytes) { return (bytes + 7) / 8; }

inline void StoreWord(uint64_t* to, uint64_t word) {
  std::atomic_ref<uint64_t>(*to).store(word, std::memory_order_release);
}

inline uint64_t LoadWord(const uint64_t* from) {
  return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(*from)).load(std::memory_order_acquire);
}

template <typename Number>
uint64_t LoadBytes(const char* from) {
  Number number;
  std::memcpy(&number, from, sizeof(number));
  return number;
}

// The `size` < 8 bytes at `from`, of which nothing before is readable.
inline uint64_t LoadFewBytes(const char* from, size_t size) {
  if (size >= 4)
    return LoadBytes<uint32_t>(from) | LoadBytes<uint32_t>(from + size - 4) << ((size - 4) * 8);
  const size_t middle = size / 2;
  const size_t last = size - 1;
  return LoadBytes<uint8_t>(from) | LoadBytes<uint8_t>(from + middle) << (middle * 8) |
         LoadBytes<uint8_t>(from + last) << (last * 8);
}

// Returns the word after the text. REQUIRES: size > 0.
inline uint64_t* StoreText(uint64_t* to, const char* from, size_t size) {
  if (size < 8) {
    StoreWord(to, LoadFewBytes(from, size));
    return to + 1;
  }
  const char* const end = from + size;
  for (; end - from >= 16; from += 16, to += 2) {
    StoreWord(to, LoadBytes<uint64_t>(from));
    StoreWord(to + 1, LoadBytes<uint64_t>(from + 8));
  }
  if (end - from >= 8) {
    StoreWord(to++, LoadBytes<uint64_t>(from));
    from += 8;
  }
  const auto rest = static_cast<size_t>(end - from);
  if (rest == 0) return to;
  StoreWord(to, LoadBytes<uint64_t>(end - 8) >> ((8 - rest) * 8));
  return to + 1;
}

// False: the place is empty or being written.
bool CopyPlace(const uint64_t* place, std::span<uint64_t> to);

// What a place of at least four words may hold besides records: a text that belongs to a time.
struct Label {
  int64_t time = 0;
  std::string text;
};
// The writer's thread. What does not fit is cut.
void StoreLabel(std::span<uint64_t> place, int64_t time, std::string_view text);
// Any thread. Unset: there is none, or it is being written.
std::optional<Label> LoadLabel(std::span<const uint64_t> place);

}  // namespace tulle::recorder
