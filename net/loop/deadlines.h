#pragma once

#include <cstdint>
#include <memory>

#include "net/base/intrusive_list.h"
#include "net/loop/loop.h"

namespace tulle::loop {

// One pending deadline; a member of what it ends. Destroying it clears it.
class Deadline : public ListNode<Deadline> {
 public:
  using Callback = void (*)(void* owner);
  Deadline(void* owner, Callback callback) : owner_(owner), callback_(callback) {}
  bool is_set() const { return linked(); }
  void Clear() { Unlink(); }

 private:
  friend class Deadlines;
  void* owner_;
  Callback callback_;
  Instant at_{};
};

// A worker's deadlines of requests: thousands pend, most are cleared, few expire. A wheel: level 0
// has a slot a tick, each further level a slot for all that the level below spans. A deadline lies
// at the level where its time first differs from now's, and moves down when that slot's time comes.
// Setting and clearing cost O(1) for any length, and touch the loop's timer only for what comes
// before all others. Each expires at its time, not before. Owner: Worker. Thread: the loop's.
// Callbacks run as timer events; they may set and clear any deadline.
class Deadlines {
 public:
  explicit Deadlines(Loop& loop);
  // Sets anew if it is set already. Beyond four years: four years.
  void Set(Deadline& deadline, Duration after);

 private:
  static constexpr int kTickBits = 16;  // of nanoseconds: 65.5 us
  static constexpr int kSlotBits = 6;
  static constexpr int kLevels = 7;  // nine years

  struct Level {
    uint64_t occupied = 0;  // a bit a slot; what was cleared since may have left it empty
    IntrusiveList<Deadline> slots[1 << kSlotBits];
  };
  struct Slot {
    IntrusiveList<Deadline>* list;  // null: nothing pends
    uint64_t start;                 // tick
    Instant look_at;                // something in it expires or moves down
  };

  uint64_t TickAt(Instant at) const;
  Instant Place(Deadline& deadline);
  Slot Earliest();
  void Expire();
  void Arm(Instant at);

  Loop& loop_;
  std::unique_ptr<Timer> timer_;
  const Instant origin_;
  uint64_t tick_ = 0;  // what levels are counted from; no slot that starts before is occupied
  Instant armed_for_ = Instant::max();
  Level levels_[kLevels];
};

}  // namespace tulle::loop
