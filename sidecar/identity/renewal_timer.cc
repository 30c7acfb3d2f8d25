#include "sidecar/identity/renewal_timer.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace tulle::identity {
namespace {

// How often the wall clock is read, and by how much it must be ahead to count as a jump.
constexpr loop::Duration kLookEvery = std::chrono::minutes(1);
constexpr int64_t kClockSlackSeconds = 5;

}  // namespace

RenewalTimer::RenewalTimer(loop::Loop& loop, std::function<void()> renew)
    : loop_(loop), renew_(std::move(renew)), timer_(loop.NewTimer([this] { Look(); })) {}

int64_t RenewalTimer::WallSeconds() const {
  return std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch())
      .count();
}

void RenewalTimer::Schedule(int64_t begin, int64_t not_before, int64_t not_after, bool is_new) {
  not_before_ = not_before;
  if (is_new) has_begun_ = WallSeconds() >= not_before;
  const int64_t life = not_after - begin;
  const int64_t jitter =
      static_cast<int64_t>(loop_.random().Below(static_cast<uint64_t>(life / 5 + 1))) - life / 10;
  due_wall_ = begin + life / 2 + jitter;
  const int64_t wait =
      std::clamp<int64_t>(due_wall_ - WallSeconds(), 1, std::max<int64_t>(life, 1));
  due_ = loop_.Now() + std::chrono::seconds(wait);
  Look();
}

void RenewalTimer::ScheduleIn(loop::Duration wait) {
  due_ = loop_.Now() + wait;
  due_wall_ = std::numeric_limits<int64_t>::max() / 2;
  timer_->Start(wait);
}

void RenewalTimer::Look() {
  const loop::Instant now = loop_.Now();
  const bool had_begun = std::exchange(has_begun_, WallSeconds() >= not_before_);
  const bool went_back = had_begun && !has_begun_;
  if (now >= due_ || WallSeconds() >= due_wall_ + kClockSlackSeconds || went_back) return renew_();
  timer_->Start(std::min<loop::Duration>(due_ - now, kLookEvery));
}

}  // namespace tulle::identity
