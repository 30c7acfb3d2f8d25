#include <gtest/gtest.h>
#include <time.h>

#include <memory>
#include <string>
#include <vector>

#include "sidecar/upstream/cluster_spec.h"
#include "tests/simulation/http_caller.h"
#include "tests/simulation/sidecar_mesh.h"

namespace tulle::simulation {
namespace {

using upstream::HttpChoice;
using Outcome = sim::Simulation::Outcome;
constexpr int kCallers = 4;
#ifdef NDEBUG
constexpr double kCpuLimit = 1;  // seconds
#else
constexpr double kCpuLimit = 60;
#endif

struct Tally {
  int answered = 0, ok = 0, lost = 0, wrong = 0, marked = 0, resets = 0;
  Outcome outcome = Outcome::kIdle;
};

class Callers {
 public:
  Callers(SidecarMesh& mesh, int requests_each) {
    const auto to = *SocketAddress::ParseWithPort(SidecarMesh::kOutbound);
    for (int i = 0; i < kCallers; ++i) {
      callers_.push_back(
          std::make_unique<HttpCaller>(mesh.caller_loop(), to, Calls{.count = requests_each}));
    }
  }
  int finished() const {
    int finished = 0;
    for (const auto& caller : callers_) finished += caller->answered() + caller->lost();
    return finished;
  }
  Tally Count() const {
    Tally tally;
    for (const auto& caller : callers_) {
      tally.answered += caller->answered();
      tally.ok += caller->with_status(200);
      tally.lost += caller->lost();
      tally.wrong += caller->wrong();
      tally.marked += caller->marked();
    }
    return tally;
  }

 private:
  std::vector<std::unique_ptr<HttpCaller>> callers_;
};

// A push, a certificate rotation and a reset, each while requests are under way.
Tally Play(SidecarMesh& mesh, int requests_each) {
  EXPECT_EQ(mesh.world().RunUntil([&] { return mesh.ready(); }, std::chrono::minutes(10)),
            Outcome::kConditionMet);
  mesh.world().RunFor(std::chrono::milliseconds(50));
  Callers callers(mesh, requests_each);
  const int all = kCallers * requests_each;
  const auto run_to = [&](int finished) {
    return mesh.world().RunUntil([&] { return callers.finished() >= finished; },
                                 std::chrono::minutes(10));
  };
  run_to(all / 4);
  MeshPolicy policy;
  policy.marker = "pushed";
  mesh.Push(policy);
  run_to(all / 2);
  mesh.RotateCertificates();
  run_to(all * 3 / 4);
  const int resets = mesh.ResetConnections();
  const Outcome outcome = run_to(all);
  Tally tally = callers.Count();
  tally.resets = resets;
  tally.outcome = outcome;
  return tally;
}

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class SidecarsTest : public testing::TestWithParam<HttpChoice> {};

INSTANTIATE_TEST_SUITE_P(Between, SidecarsTest,
                         testing::Values(HttpChoice::kHttp1, HttpChoice::kHttp2),
                         [](const auto& between) -> std::string {
                           return between.param == HttpChoice::kHttp1 ? "Http1" : "Http2";
                         });

TEST_P(SidecarsTest, ServeThroughRetriesAPushAResetAndARotation) {
  const double before = CpuSeconds();
  SidecarMesh mesh(1, {}, {.one_in_fails = 50, .one_in_aborts = 100}, GetParam());
  const Tally tally = Play(mesh, 300);
  EXPECT_EQ(tally.outcome, Outcome::kConditionMet);
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_EQ(tally.lost, 0);
  EXPECT_GE(tally.ok, 1190);
  EXPECT_GT(tally.marked, 800);
  EXPECT_GT(tally.resets, 0);
  EXPECT_GT(mesh.retried(), 10);
  EXPECT_GE(mesh.origin().requests(), 1200);
  EXPECT_NE(mesh.origin().last_xfcc().find("spiffe://cluster.local/ns/default/sa/caller"),
            std::string::npos)
      << mesh.origin().last_xfcc();
  EXPECT_LT(CpuSeconds() - before, kCpuLimit);
}

TEST_P(SidecarsTest, EqualSeedsGiveEqualTraces) {
  sim::FaultPlan plan;
  plan.short_io = 0.1;
  plan.reset = 0.002;
  plan.delay = 0.01;
  const auto hash = [&](uint64_t seed) {
    SidecarMesh mesh(seed, plan, {.one_in_fails = 20}, GetParam());
    Play(mesh, 20);
    return mesh.world().trace_hash();
  };
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(hash(seed), hash(seed)) << "seed " << seed;
    EXPECT_NE(hash(seed), hash(seed + 100));
  }
}

TEST_P(SidecarsTest, StormsLeaveNobodyWaiting) {
  sim::FaultPlan plan;
  plan.short_io = 0.2;
  plan.maximum_segment = 900;
  plan.reset = 0.005;
  plan.refuse = 0.01;
  plan.delay = 0.02;
  plan.stall = 0.005;
  plan.partition_interval = std::chrono::seconds(5);
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SidecarMesh mesh(seed, plan, {.one_in_fails = 20, .one_in_aborts = 20}, GetParam());
    const Tally tally = Play(mesh, 20);
    ASSERT_EQ(tally.outcome, Outcome::kConditionMet) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tulle::simulation
