#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>

#include <iostream>
#include <set>
#include <string>

#include "tests/simulation/toy_world.h"

// Equal seeds give equal traces, in one process and in two: hash seeds and addresses differ from
// process to process, and nothing may follow them.
namespace tulle::toy {
namespace {

constexpr uint64_t kSeeds = 20;
constexpr char kPrintTraces[] = "--print-traces";

sim::FaultPlan Storm() {
  sim::FaultPlan plan;
  plan.short_io = 0.2;
  plan.reset = 0.02;
  plan.refuse = 0.02;
  plan.delay = 0.05;
  plan.stall = 0.02;
  plan.partition_interval = std::chrono::seconds(1);
  plan.maximum_partition = std::chrono::milliseconds(300);
  return plan;
}

std::string Traces() {
  std::string text;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Verdict verdict = Play(seed, Storm());
    text += std::to_string(seed) + ' ' + std::to_string(verdict.events) + ' ' +
            std::to_string(verdict.trace_hash) + '\n';
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

TEST(Determinism, SeedsDiffer) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) hashes.insert(Play(seed, Storm()).trace_hash);
  EXPECT_EQ(hashes.size(), kSeeds);
}

}  // namespace
}  // namespace tulle::toy

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], tulle::toy::kPrintTraces) == 0) {
    std::cout << tulle::toy::Traces();
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
