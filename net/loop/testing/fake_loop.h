#pragma once

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "net/loop/loop.h"

namespace tulle::loop {

// A loop without sockets that a test drives by hand: everything between two calls of Turn is one
// turn. Owner: the test.
class FakeLoop final : public Loop {
 public:
  FakeLoop() = default;
  ~FakeLoop() override { Turn(); }

  // Ends the turn, then runs what was posted, until nothing is left.
  void Turn();
  // Advances the clock: fires timers in order, each in its own turn.
  void Advance(Duration by);
  // Advances the clock without firing timers, as in a turn that takes long.
  void Stall(Duration by) { now_ += by; }

  Instant Now() const override { return now_; }
  std::chrono::system_clock::time_point WallNow() const override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now_.time_since_epoch()));
  }
  Random& random() override { return random_; }
  Slab& slab() override { return slab_; }
  std::unique_ptr<Timer> NewTimer(absl::AnyInvocable<void()> on_fire) override;
  std::unique_ptr<Socket> Connect(const SocketAddress&, const SocketAddress&, int* error) override;
  std::unique_ptr<Listener> Listen(const SocketAddress&, const ListenOptions&, ListenerEvents&,
                                   int* error) override;
  bool IsOwnAddress(const SocketAddress&) override { return true; }
  void Post(absl::AnyInvocable<void()> task) override { posted_.push_back(std::move(task)); }
  void OnSignal(int, absl::AnyInvocable<void()>) override {}
  std::unique_ptr<Resolution> Resolve(std::string_view, uint16_t, Resolved) override;
  void Run() override { Turn(); }
  void Stop() override {}

 private:
  class FakeTimer;

  Slab slab_;
  Random random_{1};
  Instant now_{std::chrono::seconds(1000)};
  std::vector<FakeTimer*> timers_;
  std::deque<absl::AnyInvocable<void()>> posted_;
};

}  // namespace tulle::loop
