#include "sidecar/recorder/explanation_writer.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string_view>

#include "sidecar/recorder/shared_words.h"

namespace tulle::recorder {
namespace {

uint64_t In32Bits(uint64_t number) {
  return std::min<uint64_t>(number, std::numeric_limits<uint32_t>::max());
}

uint64_t In32Bits(loop::Duration time) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  return In32Bits(static_cast<uint64_t>(std::max<int64_t>(micros, 0)));
}

uint64_t NumbersOf(const Decision& decision) {
  const DecisionNumbers& numbers = decision.numbers;
  if (decision.kind == DecisionKind::kAttempt)
    return In32Bits(numbers.began) | In32Bits(numbers.took) << 32;
  if (decision.kind == DecisionKind::kFault) return In32Bits(numbers.delay) << 32;
  return In32Bits(numbers.used) | In32Bits(numbers.allowed) << 32;
}

}  // namespace

ExplanationWriter::ExplanationWriter(uint64_t* place, uint64_t number, const uint64_t* record)
    : place_(place), at_(place + kDecisionsAt), sequence_(2 * number + 1) {
  StoreWord(place_, sequence_);
  for (size_t i = 0; i < kRecordWords; ++i) StoreWord(place_ + 1 + i, LoadWord(record + i));
}

ExplanationWriter::~ExplanationWriter() {
  StoreWord(place_ + kDecisionCountsAt, uint64_t{left_out_} << 32 | kept_);
  StoreWord(place_, sequence_ + 1);
}

void ExplanationWriter::Add(const Decision& decision) {
  const std::string_view subject = decision.subject.substr(0, kMostSubject);
  const std::string_view reason = decision.reason.substr(0, kMostReason);
  const size_t words = 2 + WordsOf(subject.size()) + WordsOf(reason.size());
  if (words > static_cast<size_t>(place_ + kExplanationWords - at_)) {
    ++left_out_;
    return;
  }
  ++kept_;
  const DecisionNumbers& numbers = decision.numbers;
  StoreWord(at_, static_cast<uint64_t>(decision.kind) | uint64_t{decision.positive} << 8 |
                     static_cast<uint64_t>(numbers.breaker) << 9 | uint64_t{subject.size()} << 16 |
                     uint64_t{reason.size()} << 24 |
                     uint64_t{static_cast<uint16_t>(numbers.status)} << 32);
  StoreWord(at_ + 1, NumbersOf(decision));
  at_ += 2;
  if (!subject.empty()) at_ = StoreText(at_, subject.data(), subject.size());
  if (!reason.empty()) at_ = StoreText(at_, reason.data(), reason.size());
}

}  // namespace tulle::recorder
