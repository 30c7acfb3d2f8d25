// Two candidates against one API server: never two leaders at a time, and one again soon after each
// failure.
#include "control-plane/kubernetes/leader_lease.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "k8s/api/testing/fake_api_server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;
using k8s::testing::FakeApiServer;
using std::chrono::seconds;

struct Candidate {
  Candidate(sim::Simulation& simulation, const std::string& address, const std::string& name,
            const SocketAddress& server, telemetry::Log& log)
      : host(simulation.AddHost({address})),
        loop(simulation.NewLoop(host)),
        client(
            *loop, [this, server] { return PlainConnector().Connect(*loop, server, {}); },
            k8s::Client::Options{"kubernetes:443", {"secret", ""}}, [](const std::string&) {}),
        lease(*loop, client, log, {name}, [this] { ++told; }) {
    client.Start();
    lease.Start();
  }

  const int host;
  std::unique_ptr<loop::Loop> loop;
  k8s::Client client;
  int told = 0;
  LeaderLease lease;
};

class LeaderLeaseTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  LeaderLeaseTest() : server_host_(simulation_.AddHost({"10.0.0.9"})) {
    server_loop_ = simulation_.NewLoop(server_host_);
    server_.emplace(*server_loop_, PlainAcceptor(), at_);
    server_->script = [this](FakeApiServer::Call& call) { return Answer(call); };
  }
  ~LeaderLeaseTest() override {
    a_.reset();
    b_.reset();
    server_.reset();
  }

  bool Answer(FakeApiServer::Call& call) {
    if (is_down_) return call.Answer(500, "{}"), true;
    if (call.method == "GET") {
      lease_.is_null() ? call.Answer(404, "{}") : call.Answer(200, lease_.dump());
      return true;
    }
    const Json json = Json::parse(call.body);
    const bool is_new = call.method == "POST";
    if (is_new && !lease_.is_null()) return call.Answer(409, R"({"reason":"AlreadyExists"})"), true;
    if (!is_new && json["metadata"]["resourceVersion"] != lease_["metadata"]["resourceVersion"])
      return call.Answer(409, R"({"reason":"Conflict"})"), true;
    if (is_new) lease_ = Json::object();
    lease_.merge_patch(json);
    lease_["metadata"]["resourceVersion"] = std::to_string(++version_);
    return call.Answer(is_new ? 201 : 200, lease_.dump()), true;
  }
  void StartA() { a_.emplace(simulation_, "10.0.0.1", "a", at_, log_); }
  void StartB() { b_.emplace(simulation_, "10.0.0.2", "b", at_, log_); }
  bool IsLeader(const std::optional<Candidate>& candidate) const {
    return candidate && candidate->lease.is_leader();
  }
  // Runs, and looks after each event whether there are two leaders.
  bool Until(const std::function<bool()>& condition, loop::Duration limit = seconds(120)) {
    return simulation_.RunUntil(
               [&] {
                 EXPECT_FALSE(IsLeader(a_) && IsLeader(b_));
                 return condition();
               },
               limit) == sim::Simulation::Outcome::kConditionMet;
  }
  void Run(loop::Duration time) {
    Until([] { return false; }, time);
  }

  sim::Simulation simulation_{GetParam()};
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.9:443");
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  const int server_host_;
  std::unique_ptr<loop::Loop> server_loop_;
  std::optional<FakeApiServer> server_;
  Json lease_;
  int version_ = 100;
  bool is_down_ = false;
  std::optional<Candidate> a_, b_;
};

TEST_P(LeaderLeaseTest, OneOfTwoThatStartAtOnce) {
  StartA();
  StartB();
  ASSERT_TRUE(Until([&] { return IsLeader(a_) || IsLeader(b_); }, seconds(5)));
  const bool was_a = IsLeader(a_);
  Run(seconds(300));
  EXPECT_EQ(IsLeader(a_), was_a) << "leadership is stable";
  EXPECT_EQ(IsLeader(b_), !was_a);
  EXPECT_EQ(a_->lease.changes() + b_->lease.changes(), 1u);
  EXPECT_EQ(lease_["spec"]["holderIdentity"], was_a ? "a" : "b");
  EXPECT_EQ(lease_["spec"]["leaseTransitions"], 0);
}

TEST_P(LeaderLeaseTest, WhenTheLeaderEndsTheOtherOneTakesOver) {
  StartA();
  ASSERT_TRUE(Until([&] { return IsLeader(a_); }));
  StartB();
  Run(seconds(10));
  const loop::Instant end = simulation_.Now();
  a_.reset();
  ASSERT_TRUE(Until([&] { return IsLeader(b_); }));
  EXPECT_GE(simulation_.Now() - end, seconds(12)) << "its Lease was still valid";
  EXPECT_LE(simulation_.Now() - end, seconds(22));
  EXPECT_EQ(lease_["spec"]["leaseTransitions"], 1);
  EXPECT_EQ(lease_["spec"]["acquireTime"], lease_["spec"]["renewTime"]);
}

TEST_P(LeaderLeaseTest, ALeaderThatIsCutOffGivesUpBeforeTheOtherOneTakesOver) {
  StartA();
  ASSERT_TRUE(Until([&] { return IsLeader(a_); }));
  StartB();
  Run(seconds(10));
  simulation_.Partition(a_->host, server_host_, seconds(60));
  const loop::Instant cut = simulation_.Now();
  ASSERT_TRUE(Until([&] { return !IsLeader(a_); }));
  EXPECT_LE(simulation_.Now() - cut, seconds(10));
  EXPECT_FALSE(IsLeader(b_));
  ASSERT_TRUE(Until([&] { return IsLeader(b_); }));
  EXPECT_EQ(a_->told, 2);
  Run(seconds(120));
  EXPECT_TRUE(IsLeader(b_)) << "who comes back does not take it away";
}

TEST_P(LeaderLeaseTest, NeverTwoLeadersWhateverIsCutOff) {
  StartA();
  StartB();
  int times_without = 0;
  for (int round = 0; round < 40; ++round) {
    Candidate& cut = server_loop_->random().Below(2) == 0 ? *a_ : *b_;
    const auto length = static_cast<int64_t>(server_loop_->random().Below(30));
    simulation_.Partition(cut.host, server_host_, seconds(length));
    Run(seconds(server_loop_->random().Below(40)));
    times_without += !IsLeader(a_) && !IsLeader(b_) ? 1 : 0;
  }
  EXPECT_TRUE(Until([&] { return IsLeader(a_) || IsLeader(b_); }));
  EXPECT_LT(times_without, 30);
  EXPECT_GT(a_->lease.changes() + b_->lease.changes(), 3u);
}

TEST_P(LeaderLeaseTest, WithoutTheApiServerThereIsNoLeader) {
  StartA();
  ASSERT_TRUE(Until([&] { return IsLeader(a_); }));
  is_down_ = true;
  ASSERT_TRUE(Until([&] { return !IsLeader(a_); }, seconds(11)));
  is_down_ = false;
  EXPECT_TRUE(Until([&] { return IsLeader(a_); }, seconds(10))) << "its own Lease needs no wait";
}

// Times in the object are another clock's.
TEST_P(LeaderLeaseTest, AWrongClockDoesNotMatter) {
  lease_ = {{"metadata", {{"resourceVersion", "7"}}},
            {"spec",
             {{"holderIdentity", "gone"},
              {"leaseDurationSeconds", 15},
              {"renewTime", "2099-01-01T00:00:00.000000Z"}}}};
  StartA();
  simulation_.ShiftWallClock(std::chrono::hours(-20));
  Run(seconds(14));
  EXPECT_FALSE(IsLeader(a_));
  EXPECT_TRUE(Until([&] { return IsLeader(a_); }, seconds(8)));
  EXPECT_EQ(lease_["spec"]["leaseTransitions"], 1);
}

TEST_P(LeaderLeaseTest, ALeaseThatWasGivenUpIsTakenAtOnce) {
  StartA();
  ASSERT_TRUE(Until([&] { return IsLeader(a_); }));
  StartB();
  Run(seconds(7));
  bool is_released = false;
  a_->lease.Release([&] { is_released = true; });
  EXPECT_FALSE(IsLeader(a_));
  ASSERT_TRUE(Until([&] { return is_released; }, seconds(2)));
  EXPECT_TRUE(Until([&] { return IsLeader(b_); }, seconds(5)));
  EXPECT_FALSE(IsLeader(a_));
  // Who does not lead has nothing to give up.
  is_released = false;
  a_->lease.Release([&] { is_released = true; });
  EXPECT_TRUE(is_released);
  EXPECT_TRUE(IsLeader(b_));
}

INSTANTIATE_TEST_SUITE_P(Seeds, LeaderLeaseTest, ::testing::Range<uint64_t>(1, 11));

}  // namespace
}  // namespace tulle::kubernetes
