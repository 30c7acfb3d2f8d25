#include "sidecar/recorder/explanation.h"

#include <algorithm>
#include <chrono>

#include "sidecar/recorder/shared_words.h"

namespace tulle::recorder {
namespace {

struct DecisionHead {
  uint64_t word;
  DecisionKind kind() const { return static_cast<DecisionKind>(word & 0xff); }
  size_t subject_size() const { return word >> 16 & 0xff; }
  size_t reason_size() const { return word >> 24 & 0xff; }
  size_t words() const { return 2 + WordsOf(subject_size()) + WordsOf(reason_size()); }
};

std::string_view TextAt(const uint64_t* word, size_t size) {
  return {reinterpret_cast<const char*>(word), size};
}

Decision DecisionAt(const uint64_t* words) {
  const DecisionHead head{words[0]};
  Decision decision{head.kind(), (words[0] >> 8 & 1) != 0, {}, {}, {}, {}};
  const uint64_t* const subject = words + 2;
  decision.subject = TextAt(subject, head.subject_size());
  decision.reason = TextAt(subject + WordsOf(head.subject_size()), head.reason_size());
  DecisionNumbers& numbers = decision.numbers;
  numbers.breaker = static_cast<BreakerNow>(words[0] >> 9 & 3);
  numbers.status = static_cast<uint16_t>(words[0] >> 32);
  const auto first = static_cast<uint32_t>(words[1]);
  const auto second = static_cast<uint32_t>(words[1] >> 32);
  if (decision.kind == DecisionKind::kAttempt) {
    numbers.began = std::chrono::microseconds(first);
    numbers.took = std::chrono::microseconds(second);
  } else if (decision.kind == DecisionKind::kFault) {
    numbers.delay = std::chrono::microseconds(second);
  } else {
    numbers.used = first;
    numbers.allowed = second;
  }
  return decision;
}

// What becomes of attempts alternates with them.
DecisionKind OrderOf(const Decision& decision) {
  const bool of_attempt =
      decision.kind == DecisionKind::kRetry || decision.kind == DecisionKind::kBreaker;
  return of_attempt ? DecisionKind::kAttempt : decision.kind;
}

}  // namespace

Record::Words Explanation::RecordIn(const Words& words) {
  Record::Words record;
  std::copy_n(words.begin() + 1, kRecordWords, record.begin());
  return record;
}

bool Explanation::IsSound(const Words& words) {
  if (words[0] == 0 || words[0] % 2 != 0 || !Record::IsSound(RecordIn(words))) return false;
  size_t at = kDecisionsAt;
  const auto count = static_cast<uint32_t>(words[kDecisionCountsAt]);
  for (uint32_t i = 0; i < count; ++i) {
    if (at + 2 > kExplanationWords) return false;
    const DecisionHead head{words[at]};
    at += head.words();
    if (at > kExplanationWords || head.kind() >= DecisionKind::kCount) return false;
  }
  return true;
}

std::vector<Decision> Explanation::decisions() const {
  std::vector<Decision> all;
  const uint64_t* at = words_.data() + kDecisionsAt;
  for (auto left = static_cast<uint32_t>(words_[kDecisionCountsAt]); left > 0; --left) {
    all.push_back(DecisionAt(at));
    at += DecisionHead{*at}.words();
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Decision& a, const Decision& b) { return OrderOf(a) < OrderOf(b); });
  return all;
}

}  // namespace tulle::recorder
