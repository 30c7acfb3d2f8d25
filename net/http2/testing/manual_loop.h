#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "net/loop/loop.h"

namespace tulle::http2::testing {

// A loop without sockets whose clock and turns are moved by the test.
class ManualLoop final : public loop::Loop {
 public:
  ManualLoop() = default;
  ~ManualLoop() override { EndTurn(); }

  // Ends a turn: OnTurnEnd and deletions.
  void Turn() { EndTurn(); }
  // Moves the clock and fires what is due, in order.
  void Advance(loop::Duration by);

  loop::Instant Now() const override { return now_; }
  std::chrono::system_clock::time_point WallNow() const override { return {}; }
  loop::Random& random() override { return random_; }
  Slab& slab() override { return slab_; }
  std::unique_ptr<loop::Timer> NewTimer(absl::AnyInvocable<void()> on_fire) override;
  void Post(absl::AnyInvocable<void()> task) override { posted_.push_back(std::move(task)); }

  std::unique_ptr<loop::Socket> Connect(const SocketAddress&, const SocketAddress&,
                                        int* error) override;
  std::unique_ptr<loop::Listener> Listen(const SocketAddress&, const loop::ListenOptions&,
                                         loop::ListenerEvents&, int* error) override;
  bool IsOwnAddress(const SocketAddress&) override { return true; }
  void OnSignal(int, absl::AnyInvocable<void()>) override {}
  std::unique_ptr<Resolution> Resolve(std::string_view, uint16_t, Resolved) override {
    return nullptr;
  }
  void Run() override {}
  void Stop() override {}

 private:
  class ManualTimer;

  loop::Instant now_{std::chrono::hours(1)};
  loop::Random random_{1};
  Slab slab_;
  std::vector<ManualTimer*> timers_;
  std::vector<absl::AnyInvocable<void()>> posted_;
};

}  // namespace tulle::http2::testing
