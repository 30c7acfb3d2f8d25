#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/policy/token_bucket.h"
#include "sidecar/recorder/record.h"

namespace tulle::recorder {

// One thing that was decided or considered about a request, and why.
struct KeptDecision {
  std::string_view kind;  // static
  bool positive = false;
  std::string subject;
  std::string reason;
};

// The last failed requests of one worker with what was decided about them. What that costs is
// bounded: so many a second, so many bytes of text each. The others are counted.
//
// Owner: WorkerRecorder. The lock is taken for the failures within the budget, and by who reads.
class FailureLog {
 public:
  static constexpr size_t kKept = 64;
  static constexpr size_t kMostText = 8 * 1024;
  static constexpr size_t kMostDecisions = 256;
  static constexpr policy::BucketSpec kBudget{40, 20, std::chrono::seconds(1)};

  struct Failed {
    Record record;
    std::vector<KeptDecision> decisions;
  };

  // The worker's thread: a request has failed. False: beyond the budget, do not keep it.
  bool Note(std::chrono::nanoseconds now);
  // The worker's thread. The first decisions, as many as there is room for.
  void Keep(const Record& record, std::vector<KeptDecision> decisions);

  // Any thread. All failures so far, and those of them that were kept so far.
  uint64_t noted() const { return noted_.load(std::memory_order_relaxed); }
  uint64_t kept() const;
  // The `number`th one that was kept; unset: no longer there.
  std::optional<Failed> Get(uint64_t number) const;
  // Of the record of this number; empty: not kept.
  std::vector<KeptDecision> DecisionsOf(uint64_t record) const;

 private:
  const policy::BucketRate rate_{kBudget};
  std::atomic<uint64_t> noted_ = 0;
  policy::BucketWord bucket_ = 0;
  mutable std::mutex mutex_;
  std::array<std::optional<Failed>, kKept> failed_;
  uint64_t kept_ = 0;
};

}  // namespace tulle::recorder
