#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/loop/loop.h"

namespace tulle::sim {

// The virtual clock and what the network has yet to deliver, in order of (time, scheduling).
class EventQueue {
 public:
  loop::Instant now() const { return now_; }
  void AdvanceTo(loop::Instant time) { now_ = std::max(now_, time); }

  void Schedule(loop::Instant at, absl::AnyInvocable<void()> run) {
    heap_.push_back({std::max(at, now_), sequence_++, std::move(run)});
    std::push_heap(heap_.begin(), heap_.end(), &Later);
  }
  std::optional<loop::Instant> Earliest() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().at;
  }
  void RunNext() {
    std::pop_heap(heap_.begin(), heap_.end(), &Later);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    AdvanceTo(event.at);
    event.run();
  }

 private:
  struct Event {
    loop::Instant at;
    uint64_t sequence;
    absl::AnyInvocable<void()> run;
  };
  static bool Later(const Event& a, const Event& b) {
    return std::pair(a.at, a.sequence) > std::pair(b.at, b.sequence);
  }

  // Not 0, so that a time that was never set can be told from one that was.
  loop::Instant now_{std::chrono::seconds(1)};
  uint64_t sequence_ = 0;
  std::vector<Event> heap_;
};

}  // namespace tulle::sim
