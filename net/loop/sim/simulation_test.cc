#include "net/loop/sim/simulation.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <string>
#include <vector>

namespace tulle::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = Simulation::Outcome;

// A socket that keeps what it hears.
class Listening : public loop::SocketEvents {
 public:
  explicit Listening(std::unique_ptr<loop::Socket> socket) : socket_(std::move(socket)) {
    socket_->Watch(this, true, false);
  }
  void OnSocketReady(int, bool, bool) override {
    std::string room(4096, 0);
    const iovec piece{room.data(), room.size()};
    const ssize_t count = socket_->Readv({&piece, 1});
    if (count == -EAGAIN) return;
    if (count > 0) {
      received.append(room, 0, static_cast<size_t>(count));
      return;
    }
    ended = count == 0;
    error = static_cast<int>(count);
    socket_->Watch(this, false, false);
  }
  ssize_t Send(std::string text) {
    const iovec piece{text.data(), text.size()};
    return socket_->Writev({&piece, 1});
  }
  loop::Socket& socket() { return *socket_; }

  std::string received;
  bool ended = false;
  int error = 0;

 private:
  std::unique_ptr<loop::Socket> socket_;
};

class Server : public loop::ListenerEvents {
 public:
  Server(loop::Loop& loop, const char* at) {
    int error = 0;
    listener = loop.Listen(*SocketAddress::ParseWithPort(at), {}, *this, &error);
    EXPECT_NE(listener, nullptr);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    accepted.push_back(std::make_unique<Listening>(std::move(socket)));
  }
  std::unique_ptr<loop::Listener> listener;
  std::vector<std::unique_ptr<Listening>> accepted;
};

std::unique_ptr<Listening> Dial(loop::Loop& loop, const char* to) {
  int error = 0;
  auto socket = loop.Connect(*SocketAddress::ParseWithPort(to), {}, &error);
  EXPECT_NE(socket, nullptr);
  return std::make_unique<Listening>(std::move(socket));
}

class SimulationTest : public testing::Test {
 protected:
  void Build(const FaultPlan& plan = {}) {
    simulation_ = std::make_unique<Simulation>(7, plan);
    here_ = simulation_->AddHost({"10.0.0.1", "fd00::1"});
    there_ = simulation_->AddHost({"10.0.0.2"});
    client_ = simulation_->NewLoop(here_);
    server_ = simulation_->NewLoop(there_);
  }

  std::unique_ptr<Simulation> simulation_;
  int here_ = 0, there_ = 0;
  std::unique_ptr<loop::Loop> client_, server_;
};

TEST_F(SimulationTest, AnHourOfTimersTakesNoTime) {
  Build();
  int fired = 0;
  auto timer = client_->NewTimer([] {});
  timer = client_->NewTimer([&] {
    if (++fired < 60) timer->Start(std::chrono::minutes(1));
  });
  const auto start = client_->Now();
  const auto wall_start = client_->WallNow();
  timer->Start(std::chrono::minutes(1));
  EXPECT_EQ(simulation_->RunUntil([&] { return fired == 60; }, std::chrono::hours(2)),
            Outcome::kConditionMet);
  EXPECT_GE(client_->Now() - start, std::chrono::hours(1));
  EXPECT_LT(client_->Now() - start, std::chrono::hours(1) + milliseconds(1));
  EXPECT_EQ(std::chrono::duration_cast<seconds>(client_->WallNow() - wall_start), seconds(3600));
  EXPECT_EQ(simulation_->RunFor(seconds(1)), Outcome::kIdle);
}

TEST_F(SimulationTest, BytesAndEndCrossHosts) {
  Build();
  Server server(*server_, "0.0.0.0:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  EXPECT_EQ(client->Send("early"), -EAGAIN);
  simulation_->RunUntil([&] { return !server.accepted.empty(); }, seconds(1));
  ASSERT_EQ(server.accepted.size(), 1u);
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(client->Send("hello"), 5);
  client->socket().ShutdownWrite();
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(server.accepted[0]->received, "hello");
  EXPECT_TRUE(server.accepted[0]->ended);
  EXPECT_EQ(server.accepted[0]->socket().PeerAddress().host(), "10.0.0.1");
  EXPECT_EQ(server.accepted[0]->Send("bye"), 3);
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(client->received, "bye");
}

TEST_F(SimulationTest, LoopbackStaysOnItsHost) {
  Build();
  Server server(*server_, "127.0.0.1:80");
  auto stranger = Dial(*client_, "127.0.0.1:80");
  auto neighbour = Dial(*server_, "127.0.0.1:80");
  simulation_->RunFor(seconds(1));
  EXPECT_EQ(stranger->error, -ECONNREFUSED);
  EXPECT_EQ(neighbour->error, 0);
  EXPECT_EQ(server.accepted.size(), 1u);
}

TEST_F(SimulationTest, UnusedAddressHangsUntilTheKernelGivesUp) {
  Build();
  auto client = Dial(*client_, "10.9.9.9:80");
  EXPECT_EQ(simulation_->RunFor(seconds(60)), Outcome::kTimeLimit);
  EXPECT_EQ(client->error, 0);
  simulation_->RunFor(seconds(120));
  EXPECT_EQ(client->error, -ETIMEDOUT);
}

TEST_F(SimulationTest, BuffersAreBoundedUntilTheReaderReads) {
  Build();
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  server.accepted[0]->socket().Watch(server.accepted[0].get(), false, false);
  EXPECT_EQ(client->Send(std::string(100'000, 'x')), 64 * 1024);
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(client->Send("x"), -EAGAIN);
  server.accepted[0]->socket().Watch(server.accepted[0].get(), true, false);
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(client->Send("x"), 1);
}

TEST_F(SimulationTest, PartitionHoldsBackAndThenDeliversInOrder) {
  Build();
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  client->Send("a");
  simulation_->Partition(here_, there_, seconds(5));
  client->Send("b");
  simulation_->RunFor(seconds(4));
  EXPECT_EQ(server.accepted[0]->received, "");
  client->Send("c");
  simulation_->RunFor(seconds(2));
  client->Send("d");
  simulation_->RunFor(seconds(1));
  EXPECT_EQ(server.accepted[0]->received, "abcd");
}

TEST_F(SimulationTest, CrashResetsAndCloses) {
  Build();
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  bool ran = false;
  server_->Post([&] { ran = true; });
  simulation_->Crash(*server_);
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(client->error, -ECONNRESET);
  EXPECT_FALSE(ran);
  auto second = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(second->error, -ECONNREFUSED);
  // The process comes back.
  auto again = simulation_->NewLoop(there_);
  Server reborn(*again, "10.0.0.2:80");
  auto third = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(reborn.accepted.size(), 1u);
  EXPECT_EQ(third->error, 0);
}

TEST_F(SimulationTest, CloseWithUnreadBytesResets) {
  Build();
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  server.accepted[0]->socket().Watch(server.accepted[0].get(), false, false);
  client->Send("unread");
  simulation_->RunFor(milliseconds(10));
  server.accepted.clear();
  simulation_->RunFor(milliseconds(10));
  EXPECT_EQ(client->error, -ECONNRESET);
}

TEST_F(SimulationTest, ListenersShareAnAddressOnlyWithReusePort) {
  Build();
  Server first(*server_, "10.0.0.2:80"), second(*server_, "10.0.0.2:80");
  int error = 0;
  auto refused = server_->Listen(*SocketAddress::ParseWithPort("10.0.0.2:80"),
                                 {.reuse_port = false}, first, &error);
  EXPECT_EQ(refused, nullptr);
  EXPECT_EQ(error, -EADDRINUSE);
  refused = server_->Listen(*SocketAddress::ParseWithPort("10.0.0.1:80"), {}, first, &error);
  EXPECT_EQ(error, -EADDRNOTAVAIL);
  std::vector<std::unique_ptr<Listening>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Dial(*client_, "10.0.0.2:80"));
  simulation_->RunFor(seconds(1));
  EXPECT_EQ(first.accepted.size() + second.accepted.size(), 20u);
  EXPECT_FALSE(first.accepted.empty());
  EXPECT_FALSE(second.accepted.empty());
}

TEST_F(SimulationTest, FaultsOfThePlanHappen) {
  FaultPlan plan;
  plan.reset = 0.1;
  plan.refuse = 0.2;
  Build(plan);
  Server server(*server_, "10.0.0.2:80");
  int resets = 0, refusals = 0, healthy = 0;
  for (int i = 0; i < 200; ++i) {
    auto client = Dial(*client_, "10.0.0.2:80");
    simulation_->RunFor(milliseconds(10));
    if (client->error == -ECONNREFUSED) {
      ++refusals;
      continue;
    }
    client->Send("x");
    simulation_->RunFor(milliseconds(10));
    client->error == -ECONNRESET ? ++resets : ++healthy;
  }
  EXPECT_GT(resets, 5);
  EXPECT_GT(refusals, 20);
  EXPECT_GT(healthy, 100);
}

TEST_F(SimulationTest, NamesComeFromTheTable) {
  Build();
  simulation_->AddName("shop.example", {"10.0.0.2", "fd00::1"});
  std::vector<SocketAddress> found;
  std::string error;
  auto first = client_->Resolve("shop.example", 80,
                                [&](auto addresses, std::string) { found = std::move(addresses); });
  auto second = client_->Resolve("nobody.example", 80,
                                 [&](auto, std::string why) { error = std::move(why); });
  bool dropped_answered = false;
  client_->Resolve("shop.example", 80, [&](auto, std::string) { dropped_answered = true; }).reset();
  simulation_->RunFor(seconds(1));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].ToString(), "10.0.0.2:80");
  EXPECT_NE(error, "");
  EXPECT_FALSE(dropped_answered);
}

TEST_F(SimulationTest, SignalsReachTheirProcess) {
  Build();
  int got = 0;
  client_->OnSignal(SIGTERM, [&] { ++got; });
  server_->OnSignal(SIGTERM, [&] { got += 100; });
  simulation_->Signal(*client_, SIGTERM);
  simulation_->RunFor(seconds(1));
  EXPECT_EQ(got, 1);
}

TEST_F(SimulationTest, BandwidthLimitsThroughput) {
  FaultPlan plan;
  plan.bytes_per_second = 1'000'000;
  Build(plan);
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  const auto start = client_->Now();
  size_t sent = 0;
  while (sent < 1'000'000) {
    const ssize_t count = client->Send(std::string(10'000, 'x'));
    if (count > 0) sent += static_cast<size_t>(count);
    simulation_->RunFor(milliseconds(1));
  }
  simulation_->RunUntil([&] { return server.accepted[0]->received.size() >= sent; }, seconds(10));
  EXPECT_GT(client_->Now() - start, milliseconds(900));
  EXPECT_LT(client_->Now() - start, milliseconds(1500));
}

TEST_F(SimulationTest, SpinningIsNoticed) {
  Build();
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  simulation_->RunFor(milliseconds(10));
  client->socket().Watch(client.get(), false, true);  // always writable, and nothing to write
  EXPECT_EQ(simulation_->RunFor(std::chrono::hours(1)), Outcome::kSpinning);
}

TEST_F(SimulationTest, IdleMeansThatEverythingWaits) {
  Build();
  Server server(*server_, "10.0.0.2:80");
  auto client = Dial(*client_, "10.0.0.2:80");
  EXPECT_EQ(simulation_->RunFor(seconds(1)), Outcome::kIdle);
  auto timer = client_->NewTimer([] {});
  timer->Start(seconds(10));
  EXPECT_EQ(simulation_->RunFor(seconds(1)), Outcome::kTimeLimit);
}

}  // namespace
}  // namespace tulle::sim
