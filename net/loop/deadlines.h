#pragma once

#include <memory>
#include <vector>

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

// A worker's deadlines of requests: thousands pend, most are cleared, few expire. Deadlines of
// equal length expire in the order in which they were set, so each length has a FIFO: setting and
// clearing cost O(1) and touch neither memory nor the loop's timers. Owner: Worker. Thread: the
// loop's. Callbacks run as timer events; they may set and clear any deadline.
class Deadlines {
 public:
  explicit Deadlines(Loop& loop);
  // Sets anew if it is set already.
  void Set(Deadline& deadline, Duration after);

 private:
  struct Fifo {
    Duration length;
    IntrusiveList<Deadline> pending;
  };
  Fifo& FifoFor(Duration length);
  void Expire();
  void Arm(Instant at);

  // Beyond this many lengths a length is rounded up by at most 1/16.
  static constexpr size_t kExactLengths = 32;

  Loop& loop_;
  std::unique_ptr<Timer> timer_;
  Instant armed_for_ = Instant::max();
  std::vector<std::unique_ptr<Fifo>> fifos_;
};

}  // namespace tulle::loop
