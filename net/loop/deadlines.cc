#include "net/loop/deadlines.h"

#include <algorithm>
#include <bit>

namespace tulle::loop {
namespace {

// What a stranger asks for may be longer than the clock can count.
constexpr Duration kLongest = std::chrono::hours(24 * 365 * 10);

Duration RoundUp(Duration length) {
  const uint64_t value = static_cast<uint64_t>(std::max<int64_t>(length.count(), 16));
  const int shift = std::bit_width(value) - 5;
  const uint64_t step = uint64_t{1} << std::max(shift, 0);
  return Duration((value + step - 1) / step * step);
}

}  // namespace

Deadlines::Deadlines(Loop& loop) : loop_(loop), timer_(loop.NewTimer([this] { Expire(); })) {}

Deadlines::Fifo& Deadlines::FifoFor(Duration length) {
  for (const auto& fifo : fifos_) {
    if (fifo->length == length) return *fifo;
  }
  if (fifos_.size() >= kExactLengths) {
    if (const Duration rounded = RoundUp(length); rounded != length) return FifoFor(rounded);
  }
  fifos_.push_back(std::make_unique<Fifo>());
  fifos_.back()->length = length;
  return *fifos_.back();
}

void Deadlines::Set(Deadline& deadline, Duration after) {
  deadline.Unlink();
  Fifo& fifo = FifoFor(std::clamp(after, Duration(0), kLongest));
  deadline.at_ = loop_.Now() + fifo.length;
  fifo.pending.PushBack(deadline);
  if (deadline.at_ < armed_for_) Arm(deadline.at_);
}

void Deadlines::Arm(Instant at) {
  armed_for_ = at;
  timer_->Start(std::max(at - loop_.Now(), Duration(0)));
}

void Deadlines::Expire() {
  armed_for_ = Instant::max();
  const Instant now = loop_.Now();
  // A callback may add a fifo: go by index.
  for (size_t i = 0; i < fifos_.size(); ++i) {
    while (!fifos_[i]->pending.empty() && fifos_[i]->pending.front().at_ <= now) {
      Deadline& due = fifos_[i]->pending.PopFront();
      due.callback_(due.owner_);
    }
  }
  Instant next = Instant::max();
  for (const auto& fifo : fifos_) {
    if (!fifo->pending.empty()) next = std::min(next, fifo->pending.front().at_);
  }
  if (next != Instant::max()) Arm(next);
}

}  // namespace tulle::loop
