#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "net/loop/sim/fault_plan.h"

namespace tulle::sim {

class EventQueue;
class Network;
class SimLoop;
class Trace;

// A whole world in one thread: hosts, a network between them, a virtual clock, and any number of
// loops (one per simulated process). Everything that happens follows from the seed, so a failing
// seed is a complete bug report.
//
// Owner: a test. Call order: AddHost and NewLoop, build on the loops, then Run...; between runs
// anything may be called, as if from outside every turn. Destroy loops, and everything created on
// them, before the simulation. A turn of a process takes a few microseconds of virtual time.
class Simulation {
 public:
  explicit Simulation(uint64_t seed, const FaultPlan& plan = {});
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Returns a number that identifies the host. Every host also has its own loopback addresses.
  // Connects to an address of no host hang (127 s).
  int AddHost(const std::vector<std::string>& ip_literals);
  // A process on that host. Several may share it.
  std::unique_ptr<loop::Loop> NewLoop(int host);
  // For Loop::Resolve; unknown names resolve to an error.
  void AddName(std::string name, const std::vector<std::string>& ip_literals);

  // Like the redirection of a workload's connections: Network::Redirect.
  void Redirect(int host, const SocketAddress& from, const SocketAddress& to);

  enum class Outcome {
    kConditionMet,
    kTimeLimit,
    kIdle,      // nothing is left that could ever happen: everything waits
    kSpinning,  // a process is woken again and again but makes no progress
  };
  Outcome RunFor(loop::Duration time);
  // Checks `condition` after each event.
  Outcome RunUntil(const std::function<bool()>& condition, loop::Duration at_most);

  // Kills the process: its connections are reset, its listeners closed, and it gets no further
  // turn. Objects built on the loop may still be destroyed.
  void Crash(loop::Loop& loop);
  // Delivers a signal to the handlers of that process.
  void Signal(loop::Loop& loop, int signal);
  // Partitions two hosts: what was sent arrives when the partition ends.
  void Partition(int host, int other, loop::Duration length);
  // Resets the connections currently established between two hosts; returns how many.
  int ResetConnections(int host, int other);
  // Moves every process's wall clock, but not the monotonic clock.
  void ShiftWallClock(loop::Duration by) { wall_shift_ += by; }

  loop::Instant Now() const;
  // Starts at 2030-01-01T00:00:00Z.
  std::chrono::system_clock::time_point WallNow() const;

  // Covers every segment delivered, turn run and note made. Contents count only after
  // TraceContents().
  uint64_t trace_hash() const;
  uint64_t trace_events() const;
  void TraceContents();
  void KeepTraceText();
  // An event above the network: `what` is a literal, `who` and `amount` are the caller's.
  void Note(std::string_view what, uint64_t who, uint64_t amount);
  const std::string& trace_text() const;

 private:
  friend class SimLoop;
  // The reason to stop the run, if there is one.
  std::optional<Outcome> Step(loop::Instant limit);
  void Forget(SimLoop& loop);

  const uint64_t seed_;
  const FaultPlan plan_;
  std::unique_ptr<Trace> trace_;
  std::unique_ptr<EventQueue> events_;
  std::unique_ptr<Network> network_;
  std::vector<SimLoop*> loops_;  // in order of creation
  int loops_made_ = 0;
  int turns_without_news_ = 0;
  loop::Duration wall_shift_{};
};

}  // namespace tulle::sim
