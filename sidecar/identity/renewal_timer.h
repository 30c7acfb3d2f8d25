#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "net/loop/loop.h"

namespace tulle::identity {

// Decides when a certificate is renewed: at half of its life, give or take a tenth, so that a fleet
// does not renew all at once.
//
// Both clocks count, whichever is due first: the wall clock may jump, and the monotonic one does
// not run while the machine sleeps. A wall clock that went back before the certificate's beginning
// renews at once. Owner: IdentityAgent. Thread: main. Times in seconds since the epoch.
class RenewalTimer final {
 public:
  RenewalTimer(loop::Loop& loop, std::function<void()> renew);

  // `begin`: of the part of its life that is counted. `is_new`: it was issued just now, so that a
  // clock that is behind has not gone back.
  void Schedule(int64_t begin, int64_t not_before, int64_t not_after, bool is_new);
  void ScheduleIn(loop::Duration wait);
  void Stop() { timer_->Stop(); }
  int64_t WallSeconds() const;

 private:
  void Look();

  loop::Loop& loop_;
  const std::function<void()> renew_;
  std::unique_ptr<loop::Timer> timer_;
  int64_t not_before_ = 0;
  bool has_begun_ = true;  // when last looked at
  int64_t due_wall_ = 0;
  loop::Instant due_{};
};

}  // namespace tulle::identity
