#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/tls/sim_transports.h"
#include "net/tls/tls_transports.h"
#include "tests/simulation/http_caller.h"
#include "tests/simulation/mesh_run.h"
#include "tests/simulation/scripted_source.h"

// Two sidecars and the control plane, all production code, in one simulated process.
namespace tulle::simulation {
namespace {

using Outcome = sim::Simulation::Outcome;
#ifdef NDEBUG
constexpr double kCpuLimit = 1;  // seconds
#else
constexpr double kCpuLimit = 60;
#endif

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class MeshTest : public testing::TestWithParam<MeshWires> {};

INSTANTIATE_TEST_SUITE_P(Wires, MeshTest,
                         testing::Values(MeshWires{&tls::SimTransports(), false},
                                         MeshWires{&tls::SimTransports(), true},
                                         MeshWires{&tls::TlsTransports(), false},
                                         MeshWires{&tls::TlsTransports(), true}),
                         [](const auto& wires) -> std::string {
                           const char* tls = wires.param.transports == &tls::SimTransports()
                                                 ? "SimulatedTls"
                                                 : "Tls";
                           return std::string(tls) + (wires.param.http2 ? "Http2" : "Http1");
                         });

TEST_P(MeshTest, ServesThroughRetriesAPushARotationAndAReset) {
  const double before = CpuSeconds();
  Mesh mesh(1, {}, {.one_in_fails = 50, .one_in_aborts = 100}, GetParam());
  const MeshTally tally = PlayMesh(mesh, 300);
  const double cpu = CpuSeconds() - before;
  printf("%d requests, %d of them retried: %.3f s of CPU\n", tally.answered, mesh.shop().retried(),
         cpu);
  ASSERT_TRUE(tally.joined) << mesh.log_text();
  EXPECT_EQ(tally.outcome, Outcome::kConditionMet);
  EXPECT_EQ(tally.ok, 1200);
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_EQ(tally.lost, 0);
  EXPECT_GT(tally.marked, 800);
  EXPECT_LT(tally.marked, 1000);
  EXPECT_GT(tally.resets, 0);
  EXPECT_TRUE(tally.rotated) << mesh.log_text();
  EXPECT_GT(mesh.shop().retried(), 10);
  EXPECT_GE(mesh.origin().requests(), 1200);
  EXPECT_NE(mesh.origin().last_xfcc().find("spiffe://cluster.local/ns/default/sa/shop"),
            std::string::npos)
      << mesh.origin().last_xfcc();
  EXPECT_LT(cpu, kCpuLimit);
}

// Registered sidecars call a workload that only another source knows, for as long as it knows it.
TEST_P(MeshTest, ASourceBesideTheRegistryFeedsTheSameMesh) {
  Mesh mesh(4, {}, {}, GetParam());
  ASSERT_TRUE(mesh.Join()) << mesh.log_text();
  const auto ask = [&mesh](const std::string& authority) {
    HttpCaller caller(mesh.caller_loop(), *SocketAddress::ParseWithPort(Mesh::kOutbound),
                      {.authority = authority, .count = 10, .http2 = mesh.wires().http2});
    mesh.world().RunUntil([&] { return caller.done(); }, std::chrono::minutes(1));
    return caller.with_status(200);
  };
  EXPECT_EQ(ask("stock"), 0);
  ScriptedSource source(mesh.control_loop(), mesh.control().mesh_builder());
  discovery::Workload stock;
  stock.id = "stock-1";
  stock.spiffe_id = "spiffe://cluster.local/ns/default/sa/post";
  stock.address = "10.0.0.2";  // post's sidecar answers for it
  stock.services = {{"default", "stock"}};
  stock.inbound = {
      {15080, 8080, 80, mesh.wires().http2 ? policy::Protocol::kGrpc : policy::Protocol::kHttp}};
  source.PutAfter(std::chrono::seconds(1), stock);
  source.RemoveAfter(std::chrono::seconds(20), stock.id);
  mesh.world().RunFor(std::chrono::seconds(5));
  EXPECT_EQ(ask("stock"), 10) << mesh.log_text();
  EXPECT_EQ(ask("post"), 10);
  mesh.world().RunFor(std::chrono::seconds(20));
  EXPECT_EQ(ask("stock"), 0);
  EXPECT_EQ(ask("post"), 10) << "what the registry reported stays";
}

TEST_P(MeshTest, MetricsNameBothWorkloads) {
  Mesh mesh(2, {}, {}, GetParam());
  ASSERT_EQ(PlayMesh(mesh, 5).ok, 20) << mesh.log_text();
  const auto has_row = [](const std::string& text, const std::vector<std::string>& parts) {
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string line = text.substr(begin, end - begin);
      if (std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
            return line.find(part) != std::string::npos;
          }))
        return true;
    }
    return false;
  };
  EXPECT_TRUE(has_row(mesh.shop().Metrics(),
                      {"istio_requests_total", R"(reporter="source")", R"(source_workload="shop")",
                       R"(source_principal="spiffe://cluster.local/ns/default/sa/shop")",
                       R"(destination_workload="post")", R"(response_code="200")"}))
      << mesh.shop().Metrics();
  EXPECT_TRUE(
      has_row(mesh.post().Metrics(),
              {"istio_requests_total", R"(reporter="destination")", R"(source_workload="shop")",
               R"(destination_workload="post")", R"(connection_security_policy="mutual_tls")"}))
      << mesh.post().Metrics();
  EXPECT_TRUE(has_row(mesh.post().Metrics(), {R"(tulle_worker_memory_bytes{worker="0"})"}));
}

TEST_P(MeshTest, ASidecarThatRestartsWhileTheControlPlaneIsDownServes) {
  Mesh mesh(3, {}, {}, GetParam());
  ASSERT_TRUE(mesh.Join()) << mesh.log_text();
  mesh.world().RunFor(std::chrono::seconds(5));  // the current configuration is on disk
  mesh.StopControlPlane();
  EXPECT_EQ(AskMesh(mesh, 5).ok, 20);
  mesh.RestartShop();
  mesh.world().RunFor(std::chrono::seconds(1));
  EXPECT_EQ(AskMesh(mesh, 5).ok, 20) << mesh.log_text();
  EXPECT_FALSE(mesh.shop().membership().connected());
  EXPECT_NE(mesh.shop().Metrics().find(R"(source_workload="shop")"), std::string::npos);
}

// Nothing in its configuration refers to the roots; the rotation waits for it all the same.
TEST_P(MeshTest, ASidecarWithoutTlsPeersFollowsARootRotation) {
  Mesh mesh(4, {}, {}, GetParam());
  ASSERT_TRUE(mesh.Join()) << mesh.log_text();
  sidecar::Workload alone;
  alone.outbound_tcp = {"absent:80=15001"};
  mesh.RestartShop(std::move(alone));
  ASSERT_EQ(mesh.world().RunUntil([&] { return mesh.shop().ready(); }, std::chrono::minutes(5)),
            Outcome::kConditionMet)
      << mesh.log_text();
  mesh.world().RunFor(std::chrono::minutes(1));
  mesh.RotateRoot();
  mesh.world().RunUntil([&] { return !mesh.rotating(); }, std::chrono::hours(1));
  EXPECT_FALSE(mesh.rotating());
}

sim::FaultPlan Storm() {
  sim::FaultPlan plan;
  plan.short_io = 0.2;
  plan.maximum_segment = 900;
  plan.reset = 0.002;
  plan.refuse = 0.01;
  plan.delay = 0.02;
  plan.stall = 0.005;
  plan.partition_interval = std::chrono::seconds(5);
  return plan;
}

// Joining, pushes and the rotation continue in all network conditions, and every request ends once.
TEST_P(MeshTest, StormsLeaveNobodyWaiting) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Mesh mesh(seed, Storm(), {.one_in_fails = 20, .one_in_aborts = 20}, GetParam());
    const MeshTally tally = PlayMesh(mesh, 20);
    ASSERT_TRUE(tally.joined) << "seed " << seed << mesh.log_text();
    ASSERT_EQ(tally.outcome, Outcome::kConditionMet) << "seed " << seed;
    ASSERT_EQ(tally.answered + tally.lost, 80) << "seed " << seed;
    ASSERT_EQ(tally.wrong, 0) << "seed " << seed;
    ASSERT_TRUE(tally.rotated) << "seed " << seed << mesh.log_text();
  }
}

}  // namespace
}  // namespace tulle::simulation
