#include "net/loop/testing/fake_loop.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tulle::loop {

class FakeLoop::FakeTimer final : public Timer {
 public:
  FakeTimer(FakeLoop& loop, absl::AnyInvocable<void()> on_fire)
      : loop_(loop), on_fire_(std::move(on_fire)) {
    loop_.timers_.push_back(this);
  }
  ~FakeTimer() override { std::erase(loop_.timers_, this); }
  void Start(Duration after) override {
    at_ = loop_.now_ + after;
    active_ = true;
  }
  void Stop() override { active_ = false; }
  bool active() const override { return active_; }
  Instant at() const { return at_; }
  void Fire() {
    active_ = false;
    on_fire_();
  }

 private:
  FakeLoop& loop_;
  absl::AnyInvocable<void()> on_fire_;
  Instant at_{};
  bool active_ = false;
};

void FakeLoop::Turn() {
  EndTurn();
  while (!posted_.empty()) {
    auto task = std::move(posted_.front());
    posted_.pop_front();
    task();
    EndTurn();
  }
}

void FakeLoop::Advance(Duration by) {
  Turn();
  const Instant until = now_ + by;
  for (;;) {
    FakeTimer* next = nullptr;
    for (FakeTimer* timer : timers_) {
      if (timer->active() && timer->at() <= until && (!next || timer->at() < next->at())) {
        next = timer;
      }
    }
    if (next == nullptr) break;
    now_ = std::max(now_, next->at());
    next->Fire();
    Turn();
  }
  now_ = until;
}

std::unique_ptr<Timer> FakeLoop::NewTimer(absl::AnyInvocable<void()> on_fire) {
  return std::make_unique<FakeTimer>(*this, std::move(on_fire));
}

std::unique_ptr<Socket> FakeLoop::Connect(const SocketAddress&, const SocketAddress&, int* error) {
  *error = -ENETUNREACH;
  return nullptr;
}

std::unique_ptr<Listener> FakeLoop::Listen(const SocketAddress&, const ListenOptions&,
                                           ListenerEvents&, int* error) {
  *error = -EADDRNOTAVAIL;
  return nullptr;
}

std::unique_ptr<Loop::Resolution> FakeLoop::Resolve(std::string_view, uint16_t, Resolved done) {
  done({}, "a FakeLoop resolves no names: use an address");
  return std::make_unique<Resolution>();
}

}  // namespace tulle::loop
