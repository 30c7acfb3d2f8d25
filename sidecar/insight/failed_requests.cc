#include "sidecar/insight/failed_requests.h"

#include <algorithm>

#include "sidecar/recorder/record_message.h"

namespace tulle::sidecar {
namespace {

int64_t StartOf(const recorder::Explanation& explanation) {
  return explanation.record().numbers().wall_started;
}

}  // namespace

void FailedRequests::TakeNew(const recorder::Ring& ring, uint64_t* explained,
                             std::vector<Failed>* all) {
  const uint64_t end = ring.next_explanation();
  if (end > ring.explanations()) *explained = std::max(*explained, end - ring.explanations());
  for (; *explained < end; ++*explained) {
    auto one = ring.ReadExplanation(*explained);
    if (one != nullptr && one->record().Has(recorder::kFailed))
      all->push_back({&ring, std::move(one)});
  }
}

bool FailedRequests::AddTo(insight::v1::FromSidecar& report) {
  uint64_t failed = 0;
  std::vector<Failed> some;
  for (size_t i = 0; i < told_.size(); ++i) {
    const recorder::Ring& ring = recorder_.workers()[i]->ring;
    const uint64_t now = ring.failed();
    failed += now - std::exchange(told_[i].failed, now);
    TakeNew(ring, &told_[i].explained, &some);
  }
  if (failed == 0) return false;
  std::sort(some.begin(), some.end(), [](const Failed& a, const Failed& b) {
    return StartOf(*a.explanation) > StartOf(*b.explanation);
  });
  if (some.size() > kMost) some.resize(kMost);
  for (const Failed& one : some) {
    *report.add_failed() =
        recorder::MessageOf(*one.ring, one.explanation->record(), one.explanation.get(), own_());
  }
  report.set_failed_left_out(
      static_cast<uint32_t>(failed - std::min<uint64_t>(failed, some.size())));
  return true;
}

}  // namespace tulle::sidecar
