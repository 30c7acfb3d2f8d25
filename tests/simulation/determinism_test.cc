#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <iostream>
#include <set>
#include <string>

#include "net/tls/sim_transports.h"
#include "tests/simulation/mesh_run.h"

// Equal seeds must give equal traces of the whole mesh, down to the bytes on its wires, in one
// process and in two: hash seeds and addresses differ between processes, and nothing may depend on
// them.
namespace tulle::simulation {
namespace {

constexpr uint64_t kSeeds = 20;
constexpr char kPrintTraces[] = "--print-traces";

sim::FaultPlan Weather() {
  sim::FaultPlan plan;
  plan.short_io = 0.1;
  plan.reset = 0.002;
  plan.refuse = 0.01;
  plan.delay = 0.02;
  plan.stall = 0.01;
  return plan;
}

struct Played {
  uint64_t hash = 0;
  uint64_t events = 0;
  MeshTally tally;
};

Played Play(uint64_t seed) {
  Mesh mesh(seed, Weather(), {.one_in_fails = 20, .one_in_aborts = 50},
            {&tls::SimTransports(), seed % 2 == 1});
  mesh.world().TraceContents();
  const MeshTally tally = PlayMesh(mesh, 25);
  return {mesh.world().trace_hash(), mesh.world().trace_events(), tally};
}

std::string Traces() {
  std::string text;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Played run = Play(seed);
    text += "seed " + std::to_string(seed) + ": " + std::to_string(run.events) + " events, hash " +
            std::to_string(run.hash) + ", answered " + std::to_string(run.tally.answered) + '\n';
  }
  return text;
}

std::string TracesOfAnotherProcess() {
  const std::string command = "/proc/" + std::to_string(getpid()) + "/exe " + kPrintTraces;
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char piece[4096];
  while (const size_t count = fread(piece, 1, sizeof piece, pipe)) text.append(piece, count);
  EXPECT_EQ(pclose(pipe), 0);
  return text;
}

TEST(Determinism, TwoProcessesGiveEqualTraces) {
  const std::string here = Traces();
  EXPECT_EQ(here, Traces());
  EXPECT_EQ(here, TracesOfAnotherProcess());
}

// A trace must contain something: each run joins, gets configuration, rotates and serves.
TEST(Determinism, SeedsDiffer) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Played run = Play(seed);
    hashes.insert(run.hash);
    EXPECT_GT(run.events, 1000) << "seed " << seed;
    EXPECT_TRUE(run.tally.joined && run.tally.rotated) << "seed " << seed;
    EXPECT_GT(run.tally.ok, 80) << "seed " << seed;
    EXPECT_GT(run.tally.marked, 40) << "seed " << seed;
  }
  EXPECT_EQ(hashes.size(), kSeeds);
}

}  // namespace
}  // namespace tulle::simulation

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], tulle::simulation::kPrintTraces) == 0) {
    std::cout << tulle::simulation::Traces();
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
