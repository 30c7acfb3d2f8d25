#include "sidecar/upstream/idle_connections.h"

namespace tulle::upstream {

IdleConnections::IdleConnections(loop::Loop& loop)
    : loop_(loop), timer_(loop.NewTimer([this] { CloseExpired(); })) {}

void IdleConnections::Configure(Milliseconds timeout, uint32_t most) {
  most_ = most;
  if (timeout == timeout_) return;
  timeout_ = timeout;
  timer_->Stop();
  if (timeout_.count() > 0) CloseExpired();
}

void IdleConnections::Add(IdleConnection& connection) {
  connection.BecomeIdle(loop_.Now());
  list_.PushBack(connection);
  if (!timer_->active() && timeout_.count() > 0) timer_->Start(timeout_);
}

void IdleConnections::CloseOldest() {
  if (!list_.empty()) list_.front().CloseIdle();
}

void IdleConnections::Trim() {
  if (most_ == Caps::kUnlimited) return;
  uint32_t idle = 0;
  list_.ForEach([&](IdleConnection&) { ++idle; });
  for (; idle > most_; --idle) CloseOldest();
}

void IdleConnections::CloseExpired() {
  const loop::Instant now = loop_.Now();
  while (!list_.empty()) {
    const loop::Instant end = list_.front().idle_since() + timeout_;
    if (end > now) return timer_->Start(end - now);
    CloseOldest();
  }
}

}  // namespace tulle::upstream
