#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sidecar/recorder/record.h"

namespace tulle::recorder {

static_assert(std::endian::native == std::endian::little, "the last word of a text");

// Writes one record into its place in a ring, word by word, so that a reader on another thread or
// in another process sees either the whole of it or that it does not: a sequence lock whose words
// are all atomic. Stores with release keep their order, which costs x86 nothing.
//
// Call order: PutNumbers, then Put for the texts in their order, then the destructor ends the
// record. A text that is not put is empty. Lives on the stack. Thread: the ring's writer.
class RecordWriter {
 public:
  // `number` is written into the words at `place`.
  RecordWriter(uint64_t* place, uint64_t number)
      : at_(place + kTextsAt), place_(place), sequence_(2 * number + 1) {
    Store(place_, sequence_);
  }
  ~RecordWriter() {
    Store(place_ + kSizesAt, sizes_[0]);
    Store(place_ + kSizesAt + 1, sizes_[1]);
    Store(place_, sequence_ + 1);
  }
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  void PutNumbers(const Numbers& numbers) {
    const auto words = std::bit_cast<std::array<uint64_t, kNumberWords>>(numbers);
#pragma GCC unroll 16
    for (size_t i = 0; i < kNumberWords; ++i) Store(place_ + 1 + i, words[i]);
  }

  // What is beyond its fair share, and what other texts left of theirs, is cut.
  template <Text text>
  void Put(std::string_view value) {
    constexpr auto kPlace = static_cast<size_t>(text);
    constexpr size_t kLater = SharesFrom(kPlace + 1);
    if (value.empty()) return;
    const auto left = static_cast<size_t>(place_ + kRecordWords - kLater - at_);
    const size_t size = std::min(value.size(), std::min<size_t>(left, kMostWords[kPlace]) * 8);
    sizes_[kPlace / 8] |= uint64_t{size} << (kPlace % 8 * 8);
    at_ = Copy(at_, value.data(), size);
  }

 private:
  static void Store(uint64_t* to, uint64_t word) {
    std::atomic_ref<uint64_t>(*to).store(word, std::memory_order_release);
  }
  template <typename Number>
  static uint64_t Load(const char* from) {
    Number number;
    std::memcpy(&number, from, sizeof(number));
    return number;
  }
  // The `size` < 8 bytes at `from`, of which nothing before is readable.
  static uint64_t LoadFew(const char* from, size_t size) {
    if (size >= 4)
      return Load<uint32_t>(from) | Load<uint32_t>(from + size - 4) << ((size - 4) * 8);
    const size_t middle = size / 2;
    const size_t last = size - 1;
    return Load<uint8_t>(from) | Load<uint8_t>(from + middle) << (middle * 8) |
           Load<uint8_t>(from + last) << (last * 8);
  }
  // Returns where the next text begins. REQUIRES: size > 0.
  static uint64_t* Copy(uint64_t* to, const char* from, size_t size) {
    if (size < 8) {
      Store(to, LoadFew(from, size));
      return to + 1;
    }
    const char* const end = from + size;
    for (; end - from >= 16; from += 16, to += 2) {
      Store(to, Load<uint64_t>(from));
      Store(to + 1, Load<uint64_t>(from + 8));
    }
    if (end - from >= 8) {
      Store(to++, Load<uint64_t>(from));
      from += 8;
    }
    const auto rest = static_cast<size_t>(end - from);
    if (rest == 0) return to;
    Store(to, Load<uint64_t>(end - 8) >> ((8 - rest) * 8));
    return to + 1;
  }

  uint64_t* at_;
  uint64_t* const place_;
  const uint64_t sequence_;
  uint64_t sizes_[2] = {0, 0};
};

}  // namespace tulle::recorder
