#include "control-plane/insight/traffic_book.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <numeric>
#include <utility>

namespace tulle::insight {
namespace {

constexpr int64_t kMinute = 60;

// Beyond what a std::string holds within itself.
size_t HeapOf(const std::string& text) {
  constexpr size_t kWithinItself = 15;
  return text.capacity() > kWithinItself ? text.capacity() + 1 : 0;
}

// Twice: in the row, and as its key.
size_t HeapOf(const Edge& edge) {
  return 2 * (HeapOf(edge.source) + HeapOf(edge.service) + HeapOf(edge.destination) +
              HeapOf(edge.route) + HeapOf(edge.called));
}

uint32_t Clamped(uint64_t count) {
  return static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
}

}  // namespace

// Small, because there are many: only the buckets and outcomes that occur.
struct TrafficBook::Slot {
  int64_t start;
  uint32_t failures = 0;
  std::vector<uint32_t> buckets;
  std::vector<std::pair<Outcome, uint32_t>> outcomes;
  std::unique_ptr<Connections> tcp;

  void AddTo(Traffic& traffic) const;
  void AddOutcome(const Outcome& outcome, uint32_t count);
  void AddBuckets(std::span<const uint32_t> added);
  void AddConnections(const Connections& gained);
  void Merge(const Slot& later);
  size_t bytes() const {
    size_t sum = sizeof(Slot) + buckets.capacity() * sizeof(buckets[0]) +
                 outcomes.capacity() * sizeof(outcomes[0]) + (tcp == nullptr ? 0 : sizeof(*tcp));
    for (const auto& [outcome, count] : outcomes) sum += HeapOf(outcome.flags);
    return sum;
  }
};

void TrafficBook::Slot::AddTo(Traffic& traffic) const {
  traffic.failures += failures;
  for (size_t i = 0; i < buckets.size(); ++i) {
    traffic.buckets[i] += buckets[i];
    traffic.requests += buckets[i];
  }
  for (const auto& [outcome, count] : outcomes) traffic.AddOutcome(outcome, count);
  if (tcp != nullptr) traffic.tcp.Add(*tcp);
}

void TrafficBook::Slot::AddOutcome(const Outcome& outcome, uint32_t count) {
  for (auto& [known, sum] : outcomes) {
    if (known != outcome) continue;
    sum = Clamped(uint64_t{sum} + count);
    return;
  }
  if (outcomes.size() < kMostOutcomes) outcomes.emplace_back(outcome, count);
}

void TrafficBook::Slot::AddBuckets(std::span<const uint32_t> added) {
  if (buckets.size() < added.size()) buckets.resize(added.size());
  for (size_t i = 0; i < added.size(); ++i) buckets[i] = Clamped(uint64_t{buckets[i]} + added[i]);
}

void TrafficBook::Slot::AddConnections(const Connections& gained) {
  if (tcp == nullptr) tcp = std::make_unique<Connections>();
  tcp->Add(gained);
}

void TrafficBook::Slot::Merge(const Slot& later) {
  failures = Clamped(uint64_t{failures} + later.failures);
  AddBuckets(later.buckets);
  for (const auto& [outcome, count] : later.outcomes) AddOutcome(outcome, count);
  if (later.tcp != nullptr) AddConnections(*later.tcp);
}

class TrafficBook::Row {
 public:
  // `share`: its reporter's; used by the book alone.
  Row(Edge edge, Share& share) : edge_(std::move(edge)), share_(share) {}

  const Edge& edge() const { return edge_; }
  const std::deque<Slot>& slots() const { return slots_; }
  // Changes the slot of that time.
  template <typename Change>
  void ChangeAt(int64_t start, Change change) {
    // A clock that was set back does not reorder the slots.
    const bool is_new = slots_.empty() || slots_.back().start < start;
    if (is_new) slots_.emplace_back(Slot{start, 0, {}, {}, nullptr});
    Slot& slot = slots_.back();
    if (!is_new) bytes_ -= slot.bytes();
    change(slot);
    bytes_ += slot.bytes();
  }
  // Those before `oldest` are dropped, those before `fine` are merged to minutes.
  void Sweep(int64_t oldest, int64_t fine);
  void DropBefore(int64_t oldest);
  size_t bytes() const { return kRowBytes + HeapOf(edge_) + bytes_; }
  Share& share() const { return share_; }

 private:
  // With its key in the map, and the block that every std::deque has.
  static constexpr size_t kRowBytes = 2 * sizeof(Edge) + 704;

  const Edge edge_;
  Share& share_;
  std::deque<Slot> slots_;  // by start
  size_t merged_ = 0;       // of them, from the first
  size_t bytes_ = 0;        // of the slots
};

void TrafficBook::Row::DropBefore(int64_t oldest) {
  while (!slots_.empty() && slots_.front().start < oldest) {
    bytes_ -= slots_.front().bytes();
    slots_.pop_front();
    if (merged_ != 0) --merged_;
  }
}

void TrafficBook::Row::Sweep(int64_t oldest, int64_t fine) {
  DropBefore(oldest);
  while (merged_ < slots_.size() && slots_[merged_].start < fine) {
    Slot& slot = slots_[merged_];
    const int64_t minute = slot.start - slot.start % kMinute;
    if (merged_ == 0 || slots_[merged_ - 1].start != minute) {
      slot.start = minute;
      ++merged_;
      continue;
    }
    Slot& whole = slots_[merged_ - 1];
    bytes_ -= whole.bytes() + slot.bytes();
    whole.Merge(slot);
    bytes_ += whole.bytes();
    slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(merged_));
  }
}

TrafficBook::TrafficBook(int64_t now) : started_(now) {}

TrafficBook::~TrafficBook() = default;

std::shared_ptr<TrafficBook::Row> TrafficBook::RowOf(const Edge& edge) {
  const auto found = rows_.find(edge);
  if (found != rows_.end()) return found->second;
  Edge made = edge;
  const auto share = shares_.find(edge.reporter());
  const bool has_many = share != shares_.end() && share->second.rows >= kMostEdgesOfOne;
  if (has_many || rows_.size() >= kMostEdges) {
    made.route.clear();
    made.called.clear();
    (edge.outbound ? made.destination : made.source).clear();
    made.service = "other";
    const auto other = rows_.find(made);
    if (other != rows_.end()) return other->second;
  }
  Share& own = shares_[made.reporter()];
  ++own.rows;
  auto row = std::make_shared<Row>(made, own);
  rows_.emplace(std::move(made), row);
  return row;
}

void TrafficBook::Forget(const Edge& edge) {
  const auto share = shares_.find(edge.reporter());
  if (--share->second.rows == 0) shares_.erase(share);
}

void TrafficBook::AddRequests(Row& row, const Outcome& outcome, std::span<const uint32_t> buckets,
                              int64_t now) {
  row.ChangeAt(now - now % kSlotSeconds, [&](Slot& slot) {
    slot.AddBuckets(buckets);
    const uint32_t count = Clamped(std::accumulate(buckets.begin(), buckets.end(), uint64_t{0}));
    if (outcome.is_failure()) slot.failures = Clamped(uint64_t{slot.failures} + count);
    const bool is_plain = outcome.flags.empty() && outcome.grpc_status <= 0 && outcome.code < 400;
    if (!is_plain) slot.AddOutcome(outcome, count);
  });
}

void TrafficBook::AddConnections(Row& row, const Connections& gained, int64_t now) {
  row.ChangeAt(now - now % kSlotSeconds, [&](Slot& slot) { slot.AddConnections(gained); });
}

void TrafficBook::Restore(const Edge& edge, int64_t start, const Traffic& traffic) {
  started_ = std::min(started_, start);
  RowOf(edge)->ChangeAt(start, [&traffic](Slot& slot) {
    slot.failures = Clamped(uint64_t{slot.failures} + traffic.failures);
    std::vector<uint32_t> buckets(traffic.buckets.size());
    std::transform(traffic.buckets.begin(), traffic.buckets.end(), buckets.begin(), Clamped);
    while (!buckets.empty() && buckets.back() == 0) buckets.pop_back();
    slot.AddBuckets(buckets);
    for (const auto& [outcome, count] : traffic.outcomes) slot.AddOutcome(outcome, Clamped(count));
    if (traffic.tcp != Connections{}) slot.AddConnections(traffic.tcp);
  });
}

int64_t TrafficBook::SlotOf(int64_t time) const {
  return time - time % (time < swept_ - kFineSeconds ? kMinute : kSlotSeconds);
}

int64_t TrafficBook::SlotStart(int64_t from) const {
  return std::max({SlotOf(from), started_, oldest_});
}

TrafficBook::Period TrafficBook::Newest(int64_t window, int64_t now) const {
  const int64_t until = now - now % kSlotSeconds;
  const int64_t from = SlotStart(until - window);
  return from < until ? Period{from, until} : Period{from, std::max(now, from) + 1};
}

std::vector<EdgeTraffic> TrafficBook::Between(int64_t from, int64_t until) const {
  const int64_t first = SlotOf(from);
  std::vector<EdgeTraffic> all;
  for (const auto& [edge, row] : rows_) {
    const auto& slots = row->slots();
    EdgeTraffic* each = nullptr;
    for (auto slot = slots.rbegin(); slot != slots.rend() && slot->start >= first; ++slot) {
      if (slot->start >= until) continue;
      if (each == nullptr) each = &all.emplace_back(EdgeTraffic{edge, {}});
      slot->AddTo(each->traffic);
    }
  }
  return all;
}

void TrafficBook::AddSteps(int64_t from, int64_t step,
                           const std::function<Steps*(const Edge&)>& of) const {
  for (const auto& [edge, row] : rows_) {
    const auto& slots = row->slots();
    Steps* steps = slots.empty() || slots.back().start < from ? nullptr : of(edge);
    if (steps == nullptr) continue;
    for (auto slot = slots.rbegin(); slot != slots.rend() && slot->start >= from; ++slot) {
      const auto index = static_cast<size_t>((slot->start - from) / step);
      if (index < steps->size()) slot->AddTo((*steps)[index]);
    }
  }
}

void TrafficBook::Sweep(int64_t now) {
  if (now - swept_ < kSlotSeconds && now >= swept_) return;
  swept_ = now;
  oldest_ = std::max(oldest_, now - kKeptSeconds);
  SweepRows(now);
  if (bytes_ > kMostBytes) SweepLargeShares(now);
  while (bytes_ > kMostBytes && oldest_ < now - kMinute) {
    oldest_ = FirstSlot(now) + kMinute;
    SweepRows(now);
  }
}

void TrafficBook::SweepLargeShares(int64_t now) {
  int64_t oldest = FirstSlot(now);
  while (DropBefore(oldest) && bytes_ > kMostBytes && oldest < now - kMinute) oldest += kMinute;
}

bool TrafficBook::DropBefore(int64_t oldest) {
  bool is_any_large = false;
  for (auto& [edge, row] : rows_) {
    Share& share = row->share();
    if (share.bytes <= kMostBytesOfOne) continue;
    const size_t before = row->bytes();
    row->DropBefore(oldest);
    share.bytes -= before - row->bytes();
    bytes_ -= before - row->bytes();
    is_any_large |= share.bytes > kMostBytesOfOne;
  }
  return is_any_large;
}

void TrafficBook::SweepRows(int64_t now) {
  bytes_ = 0;
  for (auto& [reporter, share] : shares_) share.bytes = 0;
  for (auto row = rows_.begin(); row != rows_.end();) {
    row->second->Sweep(oldest_, now - kFineSeconds);
    bytes_ += row->second->bytes();
    row->second->share().bytes += row->second->bytes();
    const bool is_kept = !row->second->slots().empty() || row->second.use_count() != 1;
    if (!is_kept) Forget(row->first);
    row = is_kept ? std::next(row) : rows_.erase(row);
  }
}

int64_t TrafficBook::FirstSlot(int64_t now) const {
  int64_t first = now;
  for (const auto& [edge, row] : rows_) {
    if (!row->slots().empty()) first = std::min(first, row->slots().front().start);
  }
  return first;
}

}  // namespace tulle::insight
