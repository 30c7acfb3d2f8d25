// What the flight recorder keeps of a request that failed, was retried, was slow, or about which
// something unusual was decided: its record and the decisions, 2,048 bytes.
//
//   word 0        the sequence: twice the explanation's number, plus 1 while it is written, plus 2
//                 then
//   words 1..64   the record
//   word 65       the number of decisions, and of those that found no room, 32 bits each
//   words 66..255 the decisions, each from the begin of a word:
//
//     word 0      kind, marks, sizes of subject and reason (a byte each), status (16 bits)
//     word 1      used and allowed, of an attempt when it began and its length, of a fault 0 and
//                 the delay (32 bits each; microseconds)
//     words 2..   subject and reason, each from the begin of a word
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sidecar/recorder/decision.h"
#include "sidecar/recorder/record.h"

namespace tulle::recorder {

inline constexpr size_t kExplanationWords = 256;
inline constexpr size_t kExplanationBytes = kExplanationWords * sizeof(uint64_t);
inline constexpr size_t kDecisionCountsAt = 1 + kRecordWords;
inline constexpr size_t kDecisionsAt = kDecisionCountsAt + 1;

// A whole explanation, copied from a ring.
class Explanation {
 public:
  using Words = std::array<uint64_t, kExplanationWords>;
  // REQUIRES: IsSound(words).
  explicit Explanation(const Words& words) : words_(words), record_(RecordIn(words)) {}
  // False: its sizes do not fit, as in a file of another origin.
  static bool IsSound(const Words& words);

  uint64_t number() const { return words_[0] / 2 - 1; }
  const Record& record() const { return record_; }
  // In the order in which they were made, as far as they are of different kinds. Texts are valid as
  // long as the explanation.
  std::vector<Decision> decisions() const;
  // Those that found no room.
  uint32_t left_out() const { return static_cast<uint32_t>(words_[kDecisionCountsAt] >> 32); }

 private:
  static Record::Words RecordIn(const Words& words);

  Words words_;
  Record record_;
};

}  // namespace tulle::recorder
