#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "tests/simulation/toy_client.h"
#include "tests/simulation/toy_server.h"

namespace tulle::toy {

struct Verdict {
  bool stuck = false;  // a client waits forever
  int late_calls = 0;  // to destroyed objects
  int answered = 0;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
};

// One run: a server and four impatient clients on three hosts.
inline Verdict Play(uint64_t seed, const sim::FaultPlan& plan, const PlantedBugs& bugs = {}) {
  sim::Simulation simulation(seed, plan);
  simulation.TraceContents();
  const int near = simulation.AddHost({"10.0.0.1"});
  const int far = simulation.AddHost({"10.0.0.2"});
  const auto at = *SocketAddress::ParseWithPort("10.0.0.3:80");
  auto server_loop = simulation.NewLoop(simulation.AddHost({"10.0.0.3"}));
  auto near_loop = simulation.NewLoop(near);
  auto far_loop = simulation.NewLoop(far);
  Verdict verdict;
  {
    Server server(*server_loop, at, bugs);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<Client>(i < 2 ? *near_loop : *far_loop, at, 10));
    }
    const auto all_done = [&] {
      for (const auto& client : clients) {
        if (!client->done()) return false;
      }
      return true;
    };
    verdict.stuck = simulation.RunUntil(all_done, std::chrono::minutes(5)) !=
                    sim::Simulation::Outcome::kConditionMet;
    // Gives pending work time to fail.
    simulation.RunFor(std::chrono::seconds(10));
    verdict.late_calls = server.ledger().violations();
    for (const auto& client : clients) verdict.answered += client->answered();
  }
  verdict.trace_hash = simulation.trace_hash();
  verdict.events = simulation.trace_events();
  return verdict;
}

}  // namespace tulle::toy
