#include "control-plane/insight/failure_book.h"

#include <algorithm>
#include <utility>

#include "control-plane/insight/request_records.h"

namespace tulle::insight {
namespace {

constexpr char kOther[] = "other";

int64_t SlotOf(int64_t time) { return time - time % FailureBook::kSlotSeconds; }

uint64_t SumSince(const std::map<int64_t, uint64_t>& slots, int64_t from) {
  uint64_t sum = 0;
  for (auto slot = slots.lower_bound(SlotOf(from)); slot != slots.end(); ++slot)
    sum += slot->second;
  return sum;
}

std::shared_ptr<const v1::RequestRecord> AsExample(
    const std::shared_ptr<const v1::RequestRecord>& record) {
  if (BytesOf(*record) <= FailureBook::kLargestExample) return record;
  auto small = std::make_shared<v1::RequestRecord>(*record);
  small->clear_decisions();
  // A copy has no more memory than its texts.
  return std::make_shared<const v1::RequestRecord>(*small);
}

}  // namespace

FailureBook::RequestKey FailureBook::KeyOf(const v1::RequestRecord& record) {
  const std::string& reached =
      record.destination().empty() ? record.service() : record.destination();
  return {record.request_id(), reached, record.source()};
}

void FailureBook::Add(v1::RequestRecord record, const std::string& reporter, int64_t now) {
  Sweep(now);
  Told& told = told_by_[reporter];
  if (told.counted == kMostCountedOfOne) return AddLeftOut(1, reporter, now);
  ++told.counted;
  const auto kept = std::make_shared<const v1::RequestRecord>(std::move(record));
  if (IsNews(*kept)) Count(kept, reporter, SlotOf(now));
  Keep(kept, reporter);
}

void FailureBook::AddLeftOut(uint64_t count, const std::string& reporter, int64_t now) {
  Sweep(now);
  if (count == 0) return;
  uint64_t& told = told_by_[reporter].left_out;
  const uint64_t added = std::min(count, kMostLeftOutOfOne - told);
  told += added;
  if (added != 0) left_out_[SlotOf(now)] += added;
}

void FailureBook::Keep(const Record& record, const std::string& reporter) {
  const size_t bytes = BytesOf(*record);
  records_.push_back({record, reporter, bytes});
  bytes_ += bytes;
  Share& share = shares_[reporter];
  ++share.records;
  share.bytes += bytes;
  while (share.records > 1 && (share.records > kMostOfOne || share.bytes > kMostBytesOfOne))
    DropOldestOf(reporter);
  while (records_.size() > kMostRecords || bytes_ > kMostBytes) Drop(records_.begin());
}

void FailureBook::Drop(std::deque<Kept>::iterator kept) {
  const v1::RequestRecord& record = *kept->record;
  counted_as_.erase(KeyOf(record));
  bytes_ -= kept->bytes;
  const auto of = shares_.find(kept->reporter);
  of->second.bytes -= kept->bytes;
  if (--of->second.records == 0) shares_.erase(of);
  records_.erase(kept);
}

void FailureBook::DropOldestOf(const std::string& reporter) {
  Drop(std::find_if(records_.begin(), records_.end(),
                    [&](const Kept& each) { return each.reporter == reporter; }));
}

// A caller's sidecar sees the 403 or 503 that the service's sidecar has decided on, and the other
// way round nobody but the caller's sidecar knows of a timeout.
bool FailureBook::IsNews(const v1::RequestRecord& record) {
  if (record.request_id().empty()) return true;
  const auto found = counted_as_.find(KeyOf(record));
  if (found == counted_as_.end()) return true;
  if (record.cause().empty() || !found->second.cause.cause.empty()) return false;
  const auto group = groups_.find(found->second.cause);
  if (group == groups_.end()) return true;
  const auto counted = group->second.slots.find(found->second.slot);
  if (counted != group->second.slots.end() && --counted->second == 0)
    group->second.slots.erase(counted);
  if (group->second.slots.empty()) Forget(group);
  return true;
}

FailureBook::Cause FailureBook::CauseOf(const v1::RequestRecord& record,
                                        const std::string& reporter) const {
  Cause cause{record.cause(), record.status(), record.service(), record.source()};
  if (groups_.contains(cause)) return cause;
  const auto of = groups_of_.find(reporter);
  const bool has_room =
      groups_.size() < kMostGroups && (of == groups_of_.end() || of->second < kMostGroupsOfOne);
  if (!has_room) cause = {kOther, 0, kOther, ""};
  return cause;
}

void FailureBook::Count(const Record& record, const std::string& reporter, int64_t slot) {
  const Cause cause = CauseOf(*record, reporter);
  const auto [group, is_new] = groups_.try_emplace(cause);
  if (is_new) {
    group->second.reporter = reporter;
    ++groups_of_[reporter];
  }
  ++group->second.slots[slot];
  group->second.example = AsExample(record);
  group->second.last_micros = std::max(group->second.last_micros, record->started_micros());
  if (!record->request_id().empty()) {
    counted_as_.insert_or_assign(KeyOf(*record), CountedAs{cause, slot});
  }
}

void FailureBook::Forget(std::map<Cause, Counted>::iterator group) {
  const auto of = groups_of_.find(group->second.reporter);
  if (--of->second == 0) groups_of_.erase(of);
  groups_.erase(group);
}

void FailureBook::Sweep(int64_t now) {
  if (std::exchange(told_at_, SlotOf(now)) != SlotOf(now)) told_by_.clear();
  const int64_t oldest = SlotOf(now - kKeptSeconds);
  if (oldest == swept_) return;
  swept_ = oldest;
  left_out_.erase(left_out_.begin(), left_out_.lower_bound(oldest));
  for (auto group = groups_.begin(); group != groups_.end();) {
    Slots& slots = group->second.slots;
    slots.erase(slots.begin(), slots.lower_bound(oldest));
    const auto each = group++;
    if (slots.empty()) Forget(each);
  }
}

std::vector<v1::RequestRecord> FailureBook::Find(const v1::RequestFilter& filter) const {
  std::vector<v1::RequestRecord> found;
  for (auto kept = records_.rbegin(); kept != records_.rend(); ++kept) {
    if (Matches(filter, *kept->record)) found.push_back(*kept->record);
  }
  return found;
}

std::vector<FailureBook::Group> FailureBook::Since(int64_t from) const {
  std::vector<Group> groups;
  for (const auto& [cause, counted] : groups_) {
    const uint64_t count = SumSince(counted.slots, from);
    if (count != 0) groups.push_back({cause, count, counted.last_micros, counted.example});
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& one, const Group& other) { return one.count > other.count; });
  return groups;
}

uint64_t FailureBook::LeftOutSince(int64_t from) const { return SumSince(left_out_, from); }

}  // namespace tulle::insight
