#include "sidecar/insight/failed_requests.h"

#include <algorithm>

#include "sidecar/recorder/record_message.h"

namespace tulle::sidecar {
namespace {

using Failed = recorder::FailureLog::Failed;

bool IsNewer(const Failed& a, const Failed& b) {
  return a.record.numbers().wall_started > b.record.numbers().wall_started;
}

}  // namespace

std::vector<Failed> FailedRequests::TakeNew() {
  std::vector<Failed> all;
  for (size_t i = 0; i < told_.size(); ++i) {
    const recorder::FailureLog& failures = recorder_.workers()[i]->failures;
    for (const uint64_t end = failures.kept(); told_[i].kept < end; ++told_[i].kept) {
      if (auto one = failures.Get(told_[i].kept)) all.push_back(*std::move(one));
    }
  }
  std::sort(all.begin(), all.end(), IsNewer);
  if (all.size() > kMost) all.erase(all.begin() + kMost, all.end());
  return all;
}

bool FailedRequests::AddTo(insight::v1::FromSidecar& report) {
  uint64_t failed = 0;
  for (size_t i = 0; i < told_.size(); ++i) {
    const uint64_t noted = recorder_.workers()[i]->failures.noted();
    failed += noted - std::exchange(told_[i].noted, noted);
  }
  if (failed == 0) return false;
  const std::vector<Failed> some = TakeNew();
  for (const Failed& one : some)
    *report.add_failed() = recorder::MessageOf(one.record, one.decisions, own_());
  report.set_failed_left_out(
      static_cast<uint32_t>(failed - std::min<uint64_t>(failed, some.size())));
  return true;
}

}  // namespace tulle::sidecar
