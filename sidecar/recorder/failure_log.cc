#include "sidecar/recorder/failure_log.h"

#include <utility>

namespace tulle::recorder {
namespace {

void Bound(std::vector<KeptDecision>& decisions) {
  if (decisions.size() > FailureLog::kMostDecisions) decisions.resize(FailureLog::kMostDecisions);
  size_t left = FailureLog::kMostText;
  for (size_t i = 0; i < decisions.size(); ++i) {
    const size_t size = decisions[i].subject.size() + decisions[i].reason.size();
    if (size > left) return decisions.resize(i);
    left -= size;
  }
}

}  // namespace

bool FailureLog::Note(std::chrono::nanoseconds now) {
  noted_.fetch_add(1, std::memory_order_relaxed);
  return rate_.Take(bucket_, now).allowed;
}

void FailureLog::Keep(const Record& record, std::vector<KeptDecision> decisions) {
  Bound(decisions);
  const std::scoped_lock lock(mutex_);
  failed_[kept_ % kKept] = Failed{record, std::move(decisions)};
  ++kept_;
}

uint64_t FailureLog::kept() const {
  const std::scoped_lock lock(mutex_);
  return kept_;
}

std::optional<FailureLog::Failed> FailureLog::Get(uint64_t number) const {
  const std::scoped_lock lock(mutex_);
  if (number >= kept_ || number + kKept < kept_) return std::nullopt;
  return failed_[number % kKept];
}

std::vector<KeptDecision> FailureLog::DecisionsOf(uint64_t record) const {
  const std::scoped_lock lock(mutex_);
  for (const std::optional<Failed>& one : failed_) {
    if (one && one->record.number() == record) return one->decisions;
  }
  return {};
}

}  // namespace tulle::recorder
