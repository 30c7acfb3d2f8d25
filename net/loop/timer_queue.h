#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "net/loop/loop.h"

namespace tulle::loop {

// The timers of one loop, ordered by (deadline, start). Restarting a running timer for a later
// time, and stopping one, touch only the timer itself: its place in the heap is corrected when it
// reaches the top. So an idle timeout that is restarted with every byte costs almost nothing.
//
// Owner: the loop, which outlives its timers. Thread: the loop's.
class TimerQueue {
 public:
  explicit TimerQueue(const Loop& loop) : loop_(loop) {}
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  std::unique_ptr<Timer> New(absl::AnyInvocable<void()> on_fire);
  // When Fire is due next; empty: no timer is running.
  std::optional<Instant> Earliest();
  // Fires everything due at Now(), but not what the callbacks start.
  void Fire();

 private:
  class QueuedTimer;
  struct Key {
    Instant deadline;
    uint64_t sequence;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    Key key;
    QueuedTimer* timer;
  };

  void Start(QueuedTimer& timer, Duration after);
  void Remove(QueuedTimer& timer);
  void Place(size_t index, const Entry& entry);
  void SiftUp(size_t index);
  void SiftDown(size_t index);
  void RemoveAt(size_t index);
  void CorrectTop();

  const Loop& loop_;
  std::vector<Entry> heap_;
  uint64_t sequence_ = 0;
};

}  // namespace tulle::loop
