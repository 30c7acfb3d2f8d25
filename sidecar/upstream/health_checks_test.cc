#include "sidecar/upstream/health_checks.h"

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "sidecar/upstream/cluster_for_test.h"
#include "sidecar/upstream/failures.h"

namespace tulle::upstream {
namespace {

// Responds with `answer` to any input; empty: never.
class CheckedServer : public loop::ListenerEvents {
 public:
  explicit CheckedServer(loop::Loop& loop) {
    int error = 0;
    listener_ = loop.Listen(SocketAddress::Loopback4(0), {}, *this, &error);
    EXPECT_NE(listener_, nullptr);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    visits_.push_back(std::make_unique<Visit>(*this, std::move(socket)));
  }
  SocketAddress address() const { return listener_->LocalAddress(); }
  size_t connections() const { return visits_.size(); }

  std::string answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  std::vector<std::string> asked;
  int most_times = 1000;  // that a connection is answered

 private:
  struct Visit : loop::SocketEvents {
    Visit(CheckedServer& whose, std::unique_ptr<loop::Socket> taken)
        : checked(whose), socket(std::move(taken)) {
      socket->Watch(this, true, false);
    }
    void OnSocketReady(int, bool, bool) override {
      char bytes[4096];
      const iovec into{bytes, sizeof bytes};
      const ssize_t got = socket->Readv({&into, 1});
      if (got <= 0) return socket->Watch(this, false, false);
      checked.asked.emplace_back(bytes, static_cast<size_t>(got));
      if (++times > checked.most_times) return socket.reset();
      const iovec from{checked.answer.data(), checked.answer.size()};
      if (!checked.answer.empty()) socket->Writev({&from, 1});
    }
    CheckedServer& checked;
    std::unique_ptr<loop::Socket> socket;
    int times = 0;
  };

  std::unique_ptr<loop::Listener> listener_;
  std::vector<std::unique_ptr<Visit>> visits_;
};

constexpr char kRefusal[] = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";

class HealthChecksTest : public ClusterTest {
 protected:
  HealthChecksTest() {
    spec_.panic_percent = 0;
    spec_.service = "web.default.svc.cluster.local";
    check_.path = "/healthz";
    check_.interval = seconds(5);
    check_.timeout = seconds(1);
    check_.unhealthy_threshold = 2;
    check_.healthy_threshold = 2;
  }
  void Begin() {
    spec_.health_checks = {check_};
    checked_ = Spec();
    limits_ = std::make_shared<ClusterLimits>(1);
    limits_->used = used_;
    cluster_.emplace(*loop_, deadlines_, checked_, limits_);
    cluster_->SetEndpoints(Set({server_.address()}));
    checks_.Put(checked_, cluster_->endpoint_set(), limits_);
  }
  bool IsPicked() {
    Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
    if (picked.endpoint == nullptr) return false;
    cluster_->Leave(picked);
    return true;
  }
  void TearDown() override {
    checks_.Keep({});
    ClusterTest::TearDown();
  }

  CheckedServer server_{*loop_};
  HealthChecks checks_{*loop_};
  HealthCheckSpec check_;
  std::shared_ptr<const ClusterSpec> checked_;
  bool used_ = true;
};

TEST_F(HealthChecksTest, EndpointIsUsedUntilACheckFails) {
  server_.answer = kRefusal;
  Begin();
  EXPECT_TRUE(IsPicked());
  Pass();
  EXPECT_FALSE(IsPicked());  // the first answer decides
  EXPECT_EQ(failure_.kind, failures::kNoHealthyEndpoint);
}

TEST_F(HealthChecksTest, SendsTheConfiguredRequest) {
  check_.headers = {{"x-probe", "1"}};
  Begin();
  Pass();
  ASSERT_EQ(server_.asked.size(), 1u);
  EXPECT_NE(server_.asked[0].find("GET /healthz HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(server_.asked[0].find("ost: web.default.svc.cluster.local\r\n"), std::string::npos);
  EXPECT_NE(server_.asked[0].find("x-probe: 1\r\n"), std::string::npos);
  Pass(seconds(21));
  EXPECT_EQ(server_.asked.size(), 5u);
  EXPECT_EQ(server_.connections(), 1u);  // kept
}

TEST_F(HealthChecksTest, KeepAliveRaceIsNotAFailure) {
  server_.most_times = 1;
  check_.unhealthy_threshold = 1;
  Begin();
  for (int i = 0; i < 5; ++i) {
    Pass(seconds(5));
    EXPECT_TRUE(IsPicked()) << i;
  }
  EXPECT_GE(server_.connections(), 5u);
  server_.most_times = 0;  // nor on a fresh one
  Pass(seconds(6));
  EXPECT_FALSE(IsPicked());
}

TEST_F(HealthChecksTest, ThresholdsDecideLater) {
  Begin();
  Pass();
  server_.answer = kRefusal;
  Pass(seconds(5));
  EXPECT_TRUE(IsPicked());  // once bad
  Pass(seconds(5));
  EXPECT_FALSE(IsPicked());  // twice
  server_.answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
  Pass(seconds(5));
  EXPECT_FALSE(IsPicked());
  Pass(seconds(5));
  EXPECT_TRUE(IsPicked());
}

TEST_F(HealthChecksTest, OneGoodAnswerEndsARunOfBadOnes) {
  Begin();
  for (int i = 0; i < 6; ++i) {
    server_.answer = i % 2 == 0 ? "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" : kRefusal;
    Pass(seconds(5));
    EXPECT_TRUE(IsPicked());
  }
}

TEST_F(HealthChecksTest, Fault55_SilenceIsUnhealthy) {
  server_.answer.clear();
  Begin();
  Pass(milliseconds(900));
  EXPECT_TRUE(IsPicked());
  Pass(milliseconds(300));
  EXPECT_FALSE(IsPicked());
}

TEST_F(HealthChecksTest, RefusedConnectIsUnhealthy) {
  Begin();
  auto set = Set({SocketAddress::Loopback4(1)});
  cluster_->SetEndpoints(set);
  checks_.Put(checked_, set, limits_);
  Pass();
  EXPECT_FALSE(IsPicked());
}

TEST_F(HealthChecksTest, UnusedClustersAreCheckedLessOften) {
  used_ = false;
  check_.no_traffic_interval = seconds(60);
  Begin();
  Pass(seconds(59));
  EXPECT_EQ(server_.asked.size(), 1u);
  Pass(seconds(2));
  EXPECT_EQ(server_.asked.size(), 2u);
  limits_->used = true;
  Pass(seconds(70));
  EXPECT_EQ(server_.asked.size(), 5u);
}

TEST_F(HealthChecksTest, TheUnhealthyHaveTheirOwnInterval) {
  check_.unhealthy_interval = seconds(1);
  server_.answer = kRefusal;
  Begin();
  Pass(milliseconds(10500));
  EXPECT_GE(server_.asked.size(), 10u);
}

TEST_F(HealthChecksTest, JitterIsAddedAndBounded) {
  check_.jitter = seconds(5);
  Begin();
  Pass(seconds(1000));
  EXPECT_LT(server_.asked.size(), 180u);  // 200 without
  EXPECT_GT(server_.asked.size(), 100u);  // 100 at the most of it
}

TEST_F(HealthChecksTest, StatusesMayBeNamed) {
  check_.expected_statuses = {{500, 504}};
  server_.answer = kRefusal;
  Begin();
  Pass();
  EXPECT_TRUE(IsPicked());
}

TEST_F(HealthChecksTest, TcpConnectIsEnough) {
  check_.kind = HealthCheckSpec::Kind::kTcp;
  Begin();
  Pass();
  EXPECT_TRUE(IsPicked());
  EXPECT_TRUE(server_.asked.empty());
  Pass(seconds(11));
  EXPECT_EQ(server_.connections(), 3u);
}

TEST_F(HealthChecksTest, TcpResponsesAreCompared) {
  check_.kind = HealthCheckSpec::Kind::kTcp;
  check_.send = "PING\r\n";
  check_.receive = {"+PO", "NG"};
  check_.unhealthy_threshold = check_.healthy_threshold = 1;
  server_.answer = "+PONG\r\n";
  Begin();
  Pass();
  EXPECT_EQ(server_.asked, std::vector<std::string>{"PING\r\n"});
  EXPECT_TRUE(IsPicked());
  server_.answer = "-ERR\r\n";  // and nothing more: timed out
  Pass(seconds(7));
  EXPECT_FALSE(IsPicked());
}

TEST_F(HealthChecksTest, UnchangedEndpointsAreNotCheckedAgain) {
  Begin();
  Pass();
  ASSERT_EQ(server_.asked.size(), 1u);
  auto more = Set({server_.address(), a_.address()});
  cluster_->SetEndpoints(more);
  checks_.Put(checked_, more, limits_);
  Pass();
  EXPECT_EQ(server_.asked.size(), 1u);
  checks_.Keep({});
  EXPECT_EQ(checks_.clusters(), 0u);
  Pass(seconds(60));
  EXPECT_EQ(server_.asked.size(), 1u);
}

TEST_F(HealthChecksTest, EndpointMayBeLeftUnchecked) {
  server_.answer = kRefusal;
  Begin();
  auto set = std::make_shared<EndpointSet>(*cluster_->endpoint_set());
  set->endpoints[0].health_checked = false;
  cluster_->SetEndpoints(set);
  checks_.Put(checked_, set, limits_);
  Pass();
  EXPECT_TRUE(IsPicked());
}

}  // namespace
}  // namespace tulle::upstream
