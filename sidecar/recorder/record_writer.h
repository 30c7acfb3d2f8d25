#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sidecar/recorder/record.h"
#include "sidecar/recorder/shared_words.h"

namespace tulle::recorder {

// Writes one record into its place in a ring.
//
// Call order: PutNumbers, or PutNumber for each word of them, then Put for the texts in their
// order, then the destructor ends the record. A text that is not put is empty. Lives on the stack.
// Thread: the ring's writer.
class RecordWriter {
 public:
  // `number` is written into the words at `place`.
  RecordWriter(uint64_t* place, uint64_t number)
      : at_(place + kTextsAt), place_(place), sequence_(2 * number + 1) {
    StoreWord(place_, sequence_);
  }
  ~RecordWriter() {
    StoreWord(place_ + kSizesAt, sizes_[0]);
    StoreWord(place_ + kSizesAt + 1, sizes_[1]);
    StoreWord(place_, sequence_ + 1);
  }
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  void PutNumbers(const Numbers& numbers) {
    const auto words = std::bit_cast<std::array<uint64_t, kNumberWords>>(numbers);
#pragma GCC unroll 16
    for (size_t i = 0; i < kNumberWords; ++i) StoreWord(place_ + 1 + i, words[i]);
  }

  // One word of Numbers. Cheaper than to fill in a Numbers and to copy it.
  void PutNumber(NumberWord word, uint64_t value) { StoreWord(place_ + 1 + word, value); }

  // What is beyond its fair share, and what other texts left of theirs, is cut.
  template <Text text>
  void Put(std::string_view value) {
    constexpr auto kPlace = static_cast<size_t>(text);
    constexpr size_t kLater = SharesFrom(kPlace + 1);
    if (value.empty()) return;
    const auto left = static_cast<size_t>(place_ + kRecordWords - kLater - at_);
    const size_t size = std::min(value.size(), std::min<size_t>(left, kMostWords[kPlace]) * 8);
    sizes_[kPlace / 8] |= uint64_t{size} << (kPlace % 8 * 8);
    at_ = StoreText(at_, value.data(), size);
  }

 private:
  uint64_t* at_;
  uint64_t* const place_;
  const uint64_t sequence_;
  uint64_t sizes_[2] = {0, 0};
};

}  // namespace tulle::recorder
