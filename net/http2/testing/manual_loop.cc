#include "net/http2/testing/manual_loop.h"

#include <cerrno>
#include <utility>

namespace tulle::http2::testing {

class ManualLoop::ManualTimer final : public loop::Timer {
 public:
  ManualTimer(ManualLoop& loop, absl::AnyInvocable<void()> on_fire)
      : loop_(loop), on_fire_(std::move(on_fire)) {
    loop_.timers_.push_back(this);
  }
  ~ManualTimer() override { std::erase(loop_.timers_, this); }
  void Start(loop::Duration after) override {
    active_ = true;
    due_ = loop_.now_ + after;
  }
  void Stop() override { active_ = false; }
  bool active() const override { return active_; }

  loop::Instant due() const { return due_; }
  void Fire() {
    active_ = false;
    on_fire_();
  }

 private:
  ManualLoop& loop_;
  absl::AnyInvocable<void()> on_fire_;
  loop::Instant due_;
  bool active_ = false;
};

std::unique_ptr<loop::Timer> ManualLoop::NewTimer(absl::AnyInvocable<void()> on_fire) {
  return std::make_unique<ManualTimer>(*this, std::move(on_fire));
}

void ManualLoop::Advance(loop::Duration by) {
  const loop::Instant end = now_ + by;
  for (;;) {
    ManualTimer* next = nullptr;
    for (ManualTimer* timer : timers_) {
      const bool due = timer->active() && timer->due() <= end;
      if (due && (next == nullptr || timer->due() < next->due())) next = timer;
    }
    if (next == nullptr) break;
    now_ = std::max(now_, next->due());
    next->Fire();
    Turn();
  }
  now_ = end;
}

std::unique_ptr<loop::Socket> ManualLoop::Connect(const SocketAddress&, const SocketAddress&,
                                                  int* error) {
  *error = -ENETUNREACH;
  return nullptr;
}

std::unique_ptr<loop::Listener> ManualLoop::Listen(const SocketAddress&, const loop::ListenOptions&,
                                                   loop::ListenerEvents&, int* error) {
  *error = -EADDRNOTAVAIL;
  return nullptr;
}

}  // namespace tulle::http2::testing
