// Runs the world event by event, and detects when it stops making progress.
#include "net/loop/sim/simulation.h"

#include <cassert>
#include <optional>
#include <utility>

#include "net/loop/sim/event_queue.h"
#include "net/loop/sim/network.h"
#include "net/loop/sim/sim_loop.h"
#include "net/loop/sim/trace.h"

namespace tulle::sim {
namespace {

constexpr std::chrono::seconds kWallStart(1893456000);
constexpr int kMaxTurnsWithoutNews = 100'000;

std::vector<SocketAddress> ParseAll(const std::vector<std::string>& ip_literals) {
  std::vector<SocketAddress> addresses;
  for (const std::string& literal : ip_literals) {
    const std::optional<SocketAddress> address = SocketAddress::Parse(literal, 0);
    assert(address && "an IP literal is expected");
    if (address) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

Simulation::Simulation(uint64_t seed, const FaultPlan& plan)
    : seed_(seed),
      plan_(plan),
      trace_(std::make_unique<Trace>()),
      events_(std::make_unique<EventQueue>()),
      network_(std::make_unique<Network>(seed, plan_, *events_, *trace_)) {}

Simulation::~Simulation() { assert(loops_.empty()); }

int Simulation::AddHost(const std::vector<std::string>& ip_literals) {
  return network_->AddHost(ParseAll(ip_literals));
}

std::unique_ptr<loop::Loop> Simulation::NewLoop(int host) {
  const int number = loops_made_++;
  loop::Random seeds(seed_ + static_cast<uint64_t>(number) * 0x9e3779b97f4a7c15);
  auto made = std::make_unique<SimLoop>(*this, *network_, host, number, seeds.Next());
  loops_.push_back(made.get());
  return made;
}

void Simulation::AddName(std::string name, const std::vector<std::string>& ip_literals) {
  network_->AddName(std::move(name), ParseAll(ip_literals));
}

void Simulation::Redirect(int host, const SocketAddress& from, const SocketAddress& to) {
  network_->Redirect(host, from, to);
}

Simulation::Outcome Simulation::RunFor(loop::Duration time) {
  return RunUntil([] { return false; }, time);
}

Simulation::Outcome Simulation::RunUntil(const std::function<bool()>& condition,
                                         loop::Duration at_most) {
  const loop::Instant limit = Now() + at_most;
  for (SimLoop* loop : loops_) loop->FinishOutsideTurn();
  turns_without_news_ = 0;
  while (!condition()) {
    const std::optional<Outcome> stop = Step(limit);
    if (!stop) continue;
    if (*stop != Outcome::kSpinning) events_->AdvanceTo(limit);
    return *stop;
  }
  return Outcome::kConditionMet;
}

std::optional<Simulation::Outcome> Simulation::Step(loop::Instant limit) {
  std::optional<loop::Instant> next = events_->Earliest();
  SimLoop* turn = nullptr;
  for (SimLoop* loop : loops_) {
    const std::optional<loop::Instant> at = loop->NextTurn();
    if (!at || (next && *next <= *at)) continue;
    next = at;
    turn = loop;
  }
  if (!next) return Outcome::kIdle;
  if (*next > limit) return Outcome::kTimeLimit;
  events_->AdvanceTo(*next);
  if (turn == nullptr) {
    turns_without_news_ = 0;
    events_->RunNext();
    return std::nullopt;
  }
  if (turn->RunTurn()) turns_without_news_ = 0;
  // Even a body of many megabytes makes the network move after a few hundred turns.
  if (++turns_without_news_ > kMaxTurnsWithoutNews) return Outcome::kSpinning;
  return std::nullopt;
}

void Simulation::Forget(SimLoop& loop) { std::erase(loops_, &loop); }

void Simulation::Crash(loop::Loop& loop) {
  trace_->Record(Now(), "crash", 0, 0);
  static_cast<SimLoop&>(loop).Crash();
}

void Simulation::Signal(loop::Loop& loop, int signal) {
  static_cast<SimLoop&>(loop).Signal(signal);
}

void Simulation::Partition(int host, int other, loop::Duration length) {
  network_->Cut(host, other, length);
}

int Simulation::ResetConnections(int host, int other) { return network_->Reset(host, other); }

loop::Instant Simulation::Now() const { return events_->now(); }

std::chrono::system_clock::time_point Simulation::WallNow() const {
  using std::chrono::system_clock;
  const loop::Duration since_start = Now().time_since_epoch() + wall_shift_;
  return system_clock::time_point(kWallStart) +
         std::chrono::duration_cast<system_clock::duration>(since_start);
}

uint64_t Simulation::trace_hash() const { return trace_->hash(); }
uint64_t Simulation::trace_events() const { return trace_->events(); }
void Simulation::TraceContents() { network_->TraceContents(); }
void Simulation::Note(std::string_view what, uint64_t who, uint64_t amount) {
  trace_->Record(Now(), what, who, amount);
}
void Simulation::KeepTraceText() { trace_->KeepText(); }
const std::string& Simulation::trace_text() const { return trace_->text(); }

}  // namespace tulle::sim
