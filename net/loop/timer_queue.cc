// A heap of timers whose entries are corrected lazily.
#include "net/loop/timer_queue.h"

#include <cassert>
#include <utility>

namespace tulle::loop {

class TimerQueue::QueuedTimer final : public Timer {
 public:
  QueuedTimer(TimerQueue& queue, absl::AnyInvocable<void()> on_fire)
      : queue_(queue), on_fire_(std::move(on_fire)) {}
  ~QueuedTimer() override { queue_.Remove(*this); }

  void Start(Duration after) override { queue_.Start(*this, after); }
  void Stop() override { active_ = false; }
  bool active() const override { return active_; }

 private:
  friend class TimerQueue;
  static constexpr size_t kNotQueued = SIZE_MAX;

  TimerQueue& queue_;
  absl::AnyInvocable<void()> on_fire_;
  Key key_{};                  // when it fires; its heap entry may come up sooner
  size_t index_ = kNotQueued;  // of its heap entry
  bool active_ = false;
};

TimerQueue::~TimerQueue() { assert(heap_.empty()); }

std::unique_ptr<Timer> TimerQueue::New(absl::AnyInvocable<void()> on_fire) {
  return std::make_unique<QueuedTimer>(*this, std::move(on_fire));
}

void TimerQueue::Start(QueuedTimer& timer, Duration after) {
  if (after < Duration::zero()) after = Duration::zero();
  timer.key_ = {loop_.Now() + after, sequence_++};
  timer.active_ = true;
  if (timer.index_ == QueuedTimer::kNotQueued) {
    heap_.push_back({timer.key_, &timer});
    timer.index_ = heap_.size() - 1;
    SiftUp(timer.index_);
  } else if (timer.key_ < heap_[timer.index_].key) {
    heap_[timer.index_].key = timer.key_;
    SiftUp(timer.index_);
  }
}

void TimerQueue::Remove(QueuedTimer& timer) {
  if (timer.index_ != QueuedTimer::kNotQueued) RemoveAt(timer.index_);
}

void TimerQueue::CorrectTop() {
  while (!heap_.empty()) {
    QueuedTimer& timer = *heap_[0].timer;
    if (!timer.active_) {
      RemoveAt(0);
    } else if (heap_[0].key < timer.key_) {
      heap_[0].key = timer.key_;
      SiftDown(0);
    } else {
      return;
    }
  }
}

std::optional<Instant> TimerQueue::Earliest() {
  CorrectTop();
  if (heap_.empty()) return std::nullopt;
  return heap_[0].key.deadline;
}

void TimerQueue::Fire() {
  const Key end{loop_.Now(), sequence_};
  for (CorrectTop(); !heap_.empty() && heap_[0].key < end; CorrectTop()) {
    QueuedTimer& timer = *heap_[0].timer;
    RemoveAt(0);
    timer.active_ = false;
    timer.on_fire_();
  }
}

void TimerQueue::Place(size_t index, const Entry& entry) {
  heap_[index] = entry;
  entry.timer->index_ = index;
}

void TimerQueue::SiftUp(size_t index) {
  const Entry moving = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent].key <= moving.key) break;
    Place(index, heap_[parent]);
    index = parent;
  }
  Place(index, moving);
}

void TimerQueue::SiftDown(size_t index) {
  const Entry moving = heap_[index];
  for (size_t child = 2 * index + 1; child < heap_.size(); child = 2 * index + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1].key < heap_[child].key) ++child;
    if (moving.key <= heap_[child].key) break;
    Place(index, heap_[child]);
    index = child;
  }
  Place(index, moving);
}

void TimerQueue::RemoveAt(size_t index) {
  heap_[index].timer->index_ = QueuedTimer::kNotQueued;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  Place(index, last);
  SiftUp(index);
  SiftDown(last.timer->index_);
}

}  // namespace tulle::loop
