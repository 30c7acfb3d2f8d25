#include "sidecar/recorder/flight_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::recorder {
namespace {

int64_t EndOf(const Record& record) {
  return record.numbers().wall_started + static_cast<int64_t>(record.numbers().ended);
}

// The newest of what it is given.
class Newest {
 public:
  explicit Newest(size_t most) : most_(most) {}

  void Add(const Ring& ring, const Record& record) {
    ++all_;
    kept_.push_back({&ring, record});
    std::push_heap(kept_.begin(), kept_.end(), IsNewer);
    if (kept_.size() <= most_) return;
    std::pop_heap(kept_.begin(), kept_.end(), IsNewer);
    kept_.pop_back();
  }
  struct One {
    const Ring* ring;
    Record record;
  };
  std::vector<One> Take() {
    std::sort_heap(kept_.begin(), kept_.end(), IsNewer);
    return std::move(kept_);
  }
  uint64_t left_out() const { return all_ - kept_.size(); }

 private:
  static bool IsNewer(const One& a, const One& b) {
    return std::pair(EndOf(a.record), a.record.number()) >
           std::pair(EndOf(b.record), b.record.number());
  }

  const size_t most_;
  uint64_t all_ = 0;
  std::vector<One> kept_;  // a heap, the oldest first
};

Newest SearchIn(std::span<const Ring* const> rings, const RecordFilter& filter, size_t limit) {
  Newest newest(limit);
  for (const Ring* ring : rings) {
    for (uint32_t place = 0; place < ring->records(); ++place) {
      const std::optional<Record> record = ring->ReadPlace(place);
      if (record && filter.Matches(*record)) newest.Add(*ring, *record);
    }
  }
  return newest;
}

}  // namespace

FlightRecorder::FlightRecorder(int workers) {
  for (int i = 0; i < workers; ++i)
    workers_.push_back(std::make_unique<WorkerRecorder>(static_cast<uint32_t>(i)));
}

absl::Status FlightRecorder::MoveToDirectory(const std::string& directory) {
  absl::Status status;
  for (size_t i = 0; i < workers_.size(); ++i) {
    const std::string path = absl::StrCat(directory, "/recorder-", i);
    status.Update(workers_[i]->ring.MoveToFile(path, workers_.size()));
    absl::StatusOr<Ring> former = Ring::ReadFile(path + ".previous.ring");
    if (former.ok()) previous_.push_back(*std::move(former));
  }
  return status;
}

Found FlightRecorder::Find(const RecordFilter& filter, size_t limit) const {
  std::vector<const Ring*> rings;
  for (const auto& worker : workers_) rings.push_back(&worker->ring);
  for (const Ring& ring : previous_) rings.push_back(&ring);
  Found found = FindIn(rings, filter, limit);
  for (Found::One& one : found.records) {
    for (const auto& worker : workers_) {
      if (one.ring == &worker->ring)
        one.decisions = worker->failures.DecisionsOf(one.record.number());
    }
  }
  return found;
}

uint64_t RingReader::Read(const std::function<void(const Record&)>& visit) {
  const uint64_t end = ring_.next();
  const uint64_t first = std::max(next_, ring_.oldest());
  uint64_t lost = first - next_;
  for (next_ = first; next_ < end; ++next_) {
    const std::optional<Record> record = ring_.Read(next_);
    if (record) {
      visit(*record);
    } else {
      ++lost;
    }
  }
  return lost;
}

Found FindIn(std::span<const Ring* const> rings, const RecordFilter& filter, size_t limit) {
  Newest newest = SearchIn(rings, filter, limit);
  Found found;
  found.left_out = newest.left_out();
  for (auto& one : newest.Take()) found.records.push_back({one.ring, one.record, {}});
  return found;
}

}  // namespace tulle::recorder
