#pragma once

#include <cstdint>
#include <memory>

#include "net/base/intrusive_list.h"
#include "net/loop/loop.h"

namespace tulle::loop {

// One pending deadline; a member of the object that it ends. Destroying it clears it.
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

// A worker's request deadlines: thousands are pending, most are cleared, few expire. Implemented as
// a timer wheel: level 0 has one slot per tick, and each slot of a further level spans the whole
// level below. A deadline is stored at the level where its time first differs from the current
// time, and moves down when that slot's time comes. Setting and clearing cost O(1) for any length,
// and touch the loop's timer only for a new earliest deadline. Each deadline expires at its time,
// not before. Owner: Worker. Thread: the loop's. Callbacks run as timer events; they may set and
// clear any deadline.
class Deadlines {
 public:
  explicit Deadlines(Loop& loop);
  // Replaces a previous setting. Limited to four years.
  void Set(Deadline& deadline, Duration after);

 private:
  static constexpr int kTickBits = 16;  // of nanoseconds: 65.5 us
  static constexpr int kSlotBits = 6;
  static constexpr int kLevels = 7;  // nine years

  struct Level {
    uint64_t occupied = 0;  // one bit per slot; a slot that was cleared since may be empty
    IntrusiveList<Deadline> slots[1 << kSlotBits];
  };
  struct Slot {
    IntrusiveList<Deadline>* list;  // null: nothing is pending
    uint64_t start;                 // tick
    Instant look_at;                // when something in it expires or moves down
  };

  uint64_t TickAt(Instant at) const;
  Instant Place(Deadline& deadline);
  Slot Earliest();
  void Expire();
  void Arm(Instant at);

  Loop& loop_;
  std::unique_ptr<Timer> timer_;
  const Instant origin_;
  uint64_t tick_ = 0;  // base of all levels; no slot that starts earlier is occupied
  Instant armed_for_ = Instant::max();
  Level levels_[kLevels];
};

}  // namespace tulle::loop
