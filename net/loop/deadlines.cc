#include "net/loop/deadlines.h"

#include <algorithm>
#include <bit>

namespace tulle::loop {
namespace {

// A peer may request more time than the clock can represent.
constexpr Duration kLongest = std::chrono::hours(24 * 365 * 4);

}  // namespace

Deadlines::Deadlines(Loop& loop)
    : loop_(loop), timer_(loop.NewTimer([this] { Expire(); })), origin_(loop.Now()) {}

uint64_t Deadlines::TickAt(Instant at) const {
  constexpr uint64_t kLast = (uint64_t{1} << (kLevels * kSlotBits)) - 1;
  return std::min(static_cast<uint64_t>((at - origin_).count()) >> kTickBits, kLast);
}

void Deadlines::Set(Deadline& deadline, Duration after) {
  deadline.Unlink();
  const Instant now = loop_.Now();
  deadline.at_ = now + std::clamp(after, Duration(0), kLongest);
  if (armed_for_ > now) tick_ = TickAt(now);
  if (const Instant look_at = Place(deadline); look_at < armed_for_) Arm(look_at);
}

// Returns when to check it: its time, or when its slot begins.
Instant Deadlines::Place(Deadline& deadline) {
  const uint64_t tick = TickAt(deadline.at_);
  const int level = tick == tick_ ? 0 : (std::bit_width(tick ^ tick_) - 1) / kSlotBits;
  const int shift = level * kSlotBits;
  const uint64_t slot = (tick >> shift) & ((1 << kSlotBits) - 1);
  levels_[level].occupied |= uint64_t{1} << slot;
  levels_[level].slots[slot].PushBack(deadline);
  if (level == 0) return deadline.at_;
  return origin_ + Duration(static_cast<int64_t>((tick >> shift << shift) << kTickBits));
}

// All slots of one level come before those of the next level.
Deadlines::Slot Deadlines::Earliest() {
  for (int at = 0; at < kLevels; ++at) {
    Level& level = levels_[at];
    for (; level.occupied != 0; level.occupied &= level.occupied - 1) {
      const int number = std::countr_zero(level.occupied);
      IntrusiveList<Deadline>& list = level.slots[number];
      if (list.empty()) continue;
      const int shift = at * kSlotBits;
      const uint64_t above = tick_ >> (shift + kSlotBits) << kSlotBits;
      const uint64_t start = (above + static_cast<uint64_t>(number)) << shift;
      Instant look_at = origin_ + Duration(static_cast<int64_t>(start << kTickBits));
      if (at == 0) {
        look_at = Instant::max();
        list.ForEach([&](const Deadline& one) { look_at = std::min(look_at, one.at_); });
      }
      return {&list, start, look_at};
    }
  }
  return {nullptr, 0, Instant::max()};
}

void Deadlines::Arm(Instant at) {
  armed_for_ = at;
  timer_->Start(std::max(at - loop_.Now(), Duration(0)));
}

void Deadlines::Expire() {
  armed_for_ = Instant::max();
  const Instant now = loop_.Now();
  const uint64_t now_tick = TickAt(now);
  IntrusiveList<Deadline> due;
  IntrusiveList<Deadline> later;
  for (Slot slot = Earliest(); slot.list != nullptr && slot.start <= now_tick; slot = Earliest()) {
    while (!slot.list->empty()) {
      Deadline& deadline = slot.list->PopFront();
      (deadline.at_ <= now ? due : later).PushBack(deadline);
    }
  }
  tick_ = now_tick;
  while (!later.empty()) Place(later.PopFront());
  while (!due.empty()) {
    Deadline& deadline = due.PopFront();
    deadline.callback_(deadline.owner_);
  }
  if (const Slot next = Earliest(); next.look_at < armed_for_) Arm(next.look_at);
}

}  // namespace tulle::loop
