// One simulated process: a turn handles its timers, sockets and tasks in an order drawn from the
// seed.
#include "net/loop/sim/sim_loop.h"

#include <algorithm>
#include <string>
#include <utility>

#include "net/loop/sim/sim_socket.h"
#include "net/loop/sim/simulation.h"
#include "net/loop/sim/trace.h"

namespace tulle::sim {
namespace {

constexpr loop::Duration kLongestTurn = std::chrono::microseconds(10);
constexpr loop::Duration kLongestLookUp = std::chrono::milliseconds(20);

// The callback that waits for a lookup; empty once cancelled or answered.
using Waiting = std::shared_ptr<loop::Loop::Resolved>;

class SimResolution final : public loop::Loop::Resolution {
 public:
  explicit SimResolution(Waiting waiting) : waiting_(std::move(waiting)) {}
  ~SimResolution() override { *waiting_ = nullptr; }

 private:
  Waiting waiting_;
};

}  // namespace

SimLoop::SimLoop(Simulation& simulation, Network& network, int host, int number, uint64_t seed)
    : simulation_(simulation),
      network_(network),
      host_(host),
      number_(number),
      random_(seed),
      scheduling_(seed ^ 0x7475726e) {}

SimLoop::~SimLoop() {
  tasks_.clear();
  EndTurn();
  simulation_.Forget(*this);
}

std::chrono::system_clock::time_point SimLoop::WallNow() const { return simulation_.WallNow(); }

std::unique_ptr<loop::Socket> SimLoop::Connect(const SocketAddress& to, const SocketAddress& source,
                                               int* error) {
  auto connection = network_.Connect(host_, to, source, error);
  if (connection == nullptr) return nullptr;
  return std::make_unique<SimSocket>(*this, std::move(connection), 0);
}

std::unique_ptr<loop::Listener> SimLoop::Listen(const SocketAddress& at,
                                                const loop::ListenOptions& options,
                                                loop::ListenerEvents& events, int* error) {
  return SimListener::Open(*this, at, options, events, error);
}

void SimLoop::OnSignal(int signal, absl::AnyInvocable<void()> handler) {
  signals_.emplace_back(signal, std::move(handler));
}

void SimLoop::Signal(int signal) {
  Post([this, signal] {
    for (auto& [number, handler] : signals_) {
      if (number == signal) handler();
    }
  });
}

std::unique_ptr<loop::Loop::Resolution> SimLoop::Resolve(std::string_view host, uint16_t port,
                                                         Resolved done) {
  std::vector<SocketAddress> addresses;
  std::string error;
  if (const auto literal = SocketAddress::Parse(host, port)) {
    addresses.push_back(*literal);
  } else if (const auto* known = network_.Find(host)) {
    for (const SocketAddress& address : *known) addresses.push_back(address.WithPort(port));
  } else {
    error = "cannot resolve host name '" + std::string(host) + "': the simulation has no such name";
  }
  const auto waiting = std::make_shared<Resolved>(std::move(done));
  auto answer = [waiting, addresses = std::move(addresses), error = std::move(error)]() mutable {
    Resolved tell = std::exchange(*waiting, nullptr);
    if (tell) tell(std::move(addresses), std::move(error));
  };
  const loop::Instant at = Now() + DrawUpTo(scheduling_, kLongestLookUp);
  network_.events().Schedule(at, [this, waiting, answer = std::move(answer)]() mutable {
    if (*waiting) Post(std::move(answer));  // otherwise the loop may be gone too
  });
  return std::make_unique<SimResolution>(waiting);
}

void SimLoop::Run() {
  stopped_ = false;
  simulation_.RunUntil([this] { return stopped_; }, std::chrono::hours(1));
}

void SimLoop::Queue(Watched& watched) {
  if (!static_cast<ListNode<Watched, ReadyTag>&>(watched).linked()) ready_.PushBack(watched);
}

std::optional<loop::Instant> SimLoop::NextTurn() {
  if (dead_) return std::nullopt;
  while (!ready_.empty() && !ready_.front().IsReady()) ready_.PopFront();
  if (!ready_.empty() || !tasks_.empty()) return std::max(Now(), free_at_);
  const std::optional<loop::Instant> timer = timers_.Earliest();
  if (!timer) return std::nullopt;
  return std::max({Now(), free_at_, *timer});
}

// The order in which a real loop handles its kinds of work depends on when it wakes.
SimLoop::Work SimLoop::PickWork() {
  Work choices[3];
  size_t count = 0;
  const std::optional<loop::Instant> timer = timers_.Earliest();
  if (timer && *timer <= Now()) choices[count++] = Work::kTimers;
  if (!ready_.empty()) choices[count++] = Work::kSockets;
  if (!tasks_.empty()) choices[count++] = Work::kTasks;
  return choices[count == 1 ? 0 : scheduling_.Below(count)];
}

bool SimLoop::RunTurn() {
  static constexpr std::string_view kNames[] = {"timers", "sockets", "tasks"};
  const Work work = PickWork();
  uint64_t done = 0;
  switch (work) {
    case Work::kTimers:
      timers_.Fire();
      break;
    case Work::kSockets:
      done = RunSockets();
      break;
    case Work::kTasks:
      done = RunTasks();
      break;
  }
  EndTurn();
  simulation_.trace_->Record(Now(), kNames[static_cast<int>(work)], static_cast<uint64_t>(number_),
                             done);
  free_at_ = Now() + loop::Duration(1) + DrawUpTo(scheduling_, kLongestTurn);
  if (Roll(scheduling_, network_.plan().stall)) {
    free_at_ += DrawUpTo(scheduling_, network_.plan().maximum_stall);
  }
  return work == Work::kTimers;
}

uint64_t SimLoop::RunSockets() {
  IntrusiveList<Watched, ReadyTag> batch;
  while (!ready_.empty()) batch.PushBack(ready_.PopFront());
  uint64_t delivered = 0;
  while (!batch.empty()) {
    // A kernel may use any order.
    Watched& next = (scheduling_.Next() & 1) != 0 ? batch.front() : batch.back();
    static_cast<ListNode<Watched, ReadyTag>&>(next).Unlink();
    if (!next.IsReady()) continue;
    ++delivered;
    next.Deliver();
  }
  return delivered;
}

uint64_t SimLoop::RunTasks() {
  std::deque<absl::AnyInvocable<void()>> batch;
  batch.swap(tasks_);
  const uint64_t count = batch.size();
  for (; !batch.empty(); batch.pop_front()) batch.front()();
  return count;
}

void SimLoop::Crash() {
  dead_ = true;
  owned_.ForEach([](Watched& watched) { watched.Crash(); });
}

}  // namespace tulle::sim
