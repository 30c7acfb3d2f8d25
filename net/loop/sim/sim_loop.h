#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "net/base/intrusive_list.h"
#include "net/loop/loop.h"
#include "net/loop/sim/network.h"
#include "net/loop/timer_queue.h"

namespace tulle::sim {

class Simulation;

// A socket or listener that may have an event for its owner. Level-triggered: it stays queued as
// long as the event is pending.
struct ReadyTag;
struct OwnedTag;
class Watched : public ListNode<Watched, ReadyTag>, public ListNode<Watched, OwnedTag> {
 public:
  virtual ~Watched() = default;
  virtual bool IsReady() const = 0;
  // May destroy *this.
  virtual void Deliver() = 0;
  // The process died.
  virtual void Crash() = 0;
};

// The loop of one simulated process. It runs when the simulation gives it a turn.
class SimLoop final : public loop::Loop {
 public:
  SimLoop(Simulation& simulation, Network& network, int host, int number, uint64_t seed);
  ~SimLoop() override;

  loop::Instant Now() const override { return network_.now(); }
  std::chrono::system_clock::time_point WallNow() const override;
  loop::Random& random() override { return random_; }
  Slab& slab() override { return slab_; }
  std::unique_ptr<loop::Timer> NewTimer(absl::AnyInvocable<void()> on_fire) override {
    return timers_.New(std::move(on_fire));
  }
  std::unique_ptr<loop::Socket> Connect(const SocketAddress& to, const SocketAddress& source,
                                        int* error) override;
  std::unique_ptr<loop::Listener> Listen(const SocketAddress& at,
                                         const loop::ListenOptions& options,
                                         loop::ListenerEvents& events, int* error) override;
  bool IsOwnAddress(const SocketAddress& address) override {
    return network_.IsOwn(host_, address);
  }
  void Post(absl::AnyInvocable<void()> task) override { tasks_.push_back(std::move(task)); }
  void OnSignal(int signal, absl::AnyInvocable<void()> handler) override;
  std::unique_ptr<Resolution> Resolve(std::string_view host, uint16_t port, Resolved done) override;
  // Runs the whole simulation until this loop is stopped or nothing is left to happen.
  void Run() override;
  void Stop() override { stopped_ = true; }

  // For the simulation.
  std::optional<loop::Instant> NextTurn();
  // Whether the last turn ran timers, which count as progress like network input.
  bool RunTurn();
  // Ends a turn that the test's own calls, outside every turn, began.
  void FinishOutsideTurn() { EndTurn(); }
  void Crash();
  void Signal(int signal);
  bool stopped() const { return stopped_; }

  // For sockets and listeners.
  Network& network() { return network_; }
  int host() const { return host_; }
  void Own(Watched& watched) { owned_.PushBack(watched); }
  void Queue(Watched& watched);

 private:
  enum class Work : uint8_t { kTimers, kSockets, kTasks };
  Work PickWork();
  uint64_t RunSockets();
  uint64_t RunTasks();

  Slab slab_;
  Simulation& simulation_;
  Network& network_;
  const int host_;
  const int number_;
  loop::Random random_;      // the process's own
  loop::Random scheduling_;  // for the world's decisions about the process
  loop::TimerQueue timers_{*this};
  IntrusiveList<Watched, ReadyTag> ready_;
  IntrusiveList<Watched, OwnedTag> owned_;
  std::deque<absl::AnyInvocable<void()>> tasks_;
  std::vector<std::pair<int, absl::AnyInvocable<void()>>> signals_;
  loop::Instant free_at_{};  // a turn takes time
  bool dead_ = false;
  bool stopped_ = false;
};

}  // namespace tulle::sim
