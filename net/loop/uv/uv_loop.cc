// The turns of a libuv loop: timers, posted tasks, signals and deferred deletion.
#include "net/loop/uv/uv_loop.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cstdlib>
#include <optional>

#include "net/base/out_of_memory.h"
#include "net/loop/timer_queue.h"
#include "net/loop/uv/task_queue.h"
#include "net/loop/uv/uv_listener.h"
#include "net/loop/uv/uv_resolution.h"
#include "net/loop/uv/uv_socket.h"

namespace tulle::loop {
namespace {

uint64_t SystemSeed() {
  uint64_t seed = 0;
  // Up to 256 bytes are read completely or not at all. Without them the clock is the fallback
  // (never for keys).
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = uv_hrtime();
  return seed;
}

void* Granted(void* memory) {
  if (memory == nullptr) ExitOutOfMemory();
  return memory;
}

// One iteration of libuv: its timer, [prepare: end of the timers' turn], sleep, ready sockets and
// posted tasks, [check: end of their turn].
class UvLoop final : public Loop {
 public:
  explicit UvLoop(MemorySource& memory);
  ~UvLoop() override;

  Instant Now() const override;
  std::chrono::system_clock::time_point WallNow() const override {
    return std::chrono::system_clock::now();
  }
  Random& random() override { return random_; }
  Slab& slab() override { return slab_; }
  std::unique_ptr<Timer> NewTimer(absl::AnyInvocable<void()> on_fire) override {
    return timers_.New(std::move(on_fire));
  }
  std::unique_ptr<Socket> Connect(const SocketAddress& to, const SocketAddress& source,
                                  int* error) override {
    return ConnectUvSocket(loop_, slab_, to, source, error);
  }
  std::unique_ptr<Listener> Listen(const SocketAddress& at, const ListenOptions& options,
                                   ListenerEvents& events, int* error) override {
    return UvListener::Open(loop_, *this, at, options, events, error);
  }
  bool IsOwnAddress(const SocketAddress& address) override;
  void Post(absl::AnyInvocable<void()> task) override {
    if (tasks_.Push(std::move(task))) uv_async_send(&wake_);
  }
  void OnSignal(int signal, absl::AnyInvocable<void()> handler) override;
  std::unique_ptr<Resolution> Resolve(std::string_view host, uint16_t port,
                                      Resolved done) override {
    return ResolveWithUv(loop_, *this, host, port, std::move(done));
  }
  void Run() override { uv_run(&loop_, UV_RUN_DEFAULT); }
  void Stop() override {
    stop_.store(true, std::memory_order_relaxed);
    uv_async_send(&wake_);
  }

 private:
  struct SignalWatch {
    uv_signal_t handle;
    absl::AnyInvocable<void()> handler;
  };

  static UvLoop& From(uv_handle_t* handle) { return *static_cast<UvLoop*>(handle->loop->data); }
  void OnWake();
  void OnTimer();
  void BeforeSleep();
  void FinishTurn();
  void ArmTimer();

  Slab slab_;
  uv_loop_t loop_;
  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_async_t wake_;
  uv_timer_t alarm_;
  Random random_{SystemSeed()};
  TimerQueue timers_{*this};
  TaskQueue tasks_;
  std::vector<std::unique_ptr<SignalWatch>> signals_;
  std::atomic<bool> stop_ = false;
  std::optional<Instant> armed_;        // when alarm_ fires
  mutable std::optional<Instant> now_;  // of this turn, once requested
  SocketAddress
      own_address_;  // cache: the last address found to be ours, and until when it is valid
  Instant own_until_{};
};

UvLoop::UvLoop(MemorySource& memory) : slab_(memory) {
  uv_loop_init(&loop_);
  loop_.data = this;
  uv_prepare_init(&loop_, &prepare_);
  uv_check_init(&loop_, &check_);
  uv_timer_init(&loop_, &alarm_);
  uv_async_init(&loop_, &wake_,
                [](uv_async_t* handle) { From(reinterpret_cast<uv_handle_t*>(handle)).OnWake(); });
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) {
    From(reinterpret_cast<uv_handle_t*>(handle)).BeforeSleep();
  });
  uv_check_start(&check_, [](uv_check_t* handle) {
    From(reinterpret_cast<uv_handle_t*>(handle)).FinishTurn();
  });
}

// The kernel binds only to its own addresses. A pod has one or two, so the last result serves the
// next connections.
bool UvLoop::IsOwnAddress(const SocketAddress& address) {
  const SocketAddress any_port = address.WithPort(0);
  if (any_port == own_address_ && Now() < own_until_) return true;
  const int family = address.is_v6() ? AF_INET6 : AF_INET;
  const int descriptor = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  const bool own = ::bind(descriptor, any_port.get(), any_port.length()) == 0;
  ::close(descriptor);
  if (own) {
    own_address_ = any_port;
    own_until_ = Now() + std::chrono::seconds(1);
  }
  return own;
}

UvLoop::~UvLoop() {
  tasks_.Clear();
  EndTurn();
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&alarm_), nullptr);
  for (auto& watch : signals_) {
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), nullptr);
  }
  uv_run(&loop_, UV_RUN_DEFAULT);  // until every handle is closed
  uv_loop_close(&loop_);
}

Instant UvLoop::Now() const {
  if (!now_) now_ = Instant(Duration(uv_hrtime()));
  return *now_;
}

void UvLoop::OnSignal(int signal, absl::AnyInvocable<void()> handler) {
  signals_.push_back(std::make_unique<SignalWatch>());
  SignalWatch& watch = *signals_.back();
  watch.handler = std::move(handler);
  uv_signal_init(&loop_, &watch.handle);
  watch.handle.data = &watch;
  uv_signal_start(
      &watch.handle,
      [](uv_signal_t* handle, int) { static_cast<SignalWatch*>(handle->data)->handler(); }, signal);
}

void UvLoop::OnWake() {
  tasks_.RunAll();
  if (stop_.exchange(false, std::memory_order_relaxed)) uv_stop(&loop_);
}

void UvLoop::OnTimer() {
  armed_.reset();
  timers_.Fire();
}

void UvLoop::BeforeSleep() {
  FinishTurn();
  ArmTimer();
}

void UvLoop::FinishTurn() {
  EndTurn();
  now_.reset();
}

void UvLoop::ArmTimer() {
  const std::optional<Instant> earliest = timers_.Earliest();
  // An alarm that fires too soon finds nothing due and is set again: cheaper than moving it each
  // time the earliest timer is postponed.
  if (!earliest || (armed_ && *armed_ <= *earliest)) return;
  armed_ = earliest;
  uv_update_time(&loop_);
  // libuv counts whole milliseconds of this same clock; rounding up ensures that no timer fires
  // early.
  const uint64_t due = (earliest->time_since_epoch().count() + 999'999) / 1'000'000;
  const uint64_t now = uv_now(&loop_);
  uv_timer_start(
      &alarm_, [](uv_timer_t* handle) { From(reinterpret_cast<uv_handle_t*>(handle)).OnTimer(); },
      due > now ? due - now : 0, 0);
}

}  // namespace

std::unique_ptr<Loop> NewUvLoop(MemorySource& memory) { return std::make_unique<UvLoop>(memory); }

void ExitOnFailedUvAllocation() {
  uv_replace_allocator(
      [](size_t size) { return Granted(std::malloc(size)); },
      [](void* memory, size_t size) { return Granted(std::realloc(memory, size)); },
      [](size_t count, size_t size) { return Granted(std::calloc(count, size)); }, std::free);
}

}  // namespace tulle::loop
