#include "sidecar/recorder/flight_recorder.h"

#include <algorithm>
#include <map>
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

  void Add(Found::One one) {
    ++all_;
    kept_.push_back(std::move(one));
    std::push_heap(kept_.begin(), kept_.end(), IsNewer);
    if (kept_.size() <= most_) return;
    std::pop_heap(kept_.begin(), kept_.end(), IsNewer);
    kept_.pop_back();
  }
  std::vector<Found::One> Take() {
    std::sort_heap(kept_.begin(), kept_.end(), IsNewer);
    return std::move(kept_);
  }
  uint64_t left_out() const { return all_ - kept_.size(); }

 private:
  static bool IsNewer(const Found::One& a, const Found::One& b) {
    return std::pair(EndOf(a.record), a.record.number()) >
           std::pair(EndOf(b.record), b.record.number());
  }

  const size_t most_;
  uint64_t all_ = 0;
  std::vector<Found::One> kept_;  // a heap, the oldest first
};

// Records first: what is overwritten meanwhile is found in its explanation.
void SearchIn(const Ring& ring, const RecordFilter& filter, Newest& newest) {
  std::map<uint64_t, Record> records;  // by number
  for (uint32_t place = 0; place < ring.records(); ++place) {
    const std::optional<Record> record = ring.ReadPlace(place);
    if (record && filter.Matches(*record)) records.emplace(record->number(), *record);
  }
  for (uint32_t place = 0; place < ring.explanations(); ++place) {
    std::shared_ptr<const Explanation> explanation = ring.ReadExplanationPlace(place);
    if (explanation == nullptr || !filter.Matches(explanation->record())) continue;
    const Record& record = explanation->record();
    records.erase(record.number());
    newest.Add({&ring, record, std::move(explanation)});
  }
  for (const auto& [number, record] : records) newest.Add({&ring, record, nullptr});
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
  return FindIn(rings, filter, limit);
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
  Newest newest(limit);
  for (const Ring* ring : rings) SearchIn(*ring, filter, newest);
  Found found;
  found.left_out = newest.left_out();
  found.records = newest.Take();
  return found;
}

}  // namespace tulle::recorder
