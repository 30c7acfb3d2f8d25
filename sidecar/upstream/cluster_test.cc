#include "sidecar/upstream/cluster.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "certs/testing/fixtures.h"
#include "net/http/testing/stream_recorder.h"
#include "net/loop/deadlines.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "net/tls/sim_transports.h"
#include "net/tls/testing/secure_pair.h"
#include "sidecar/upstream/cluster_table.h"

namespace tulle::upstream {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A listener that keeps what it accepts and never says anything.
class Backend : public loop::ListenerEvents {
 public:
  explicit Backend(loop::Loop& loop) {
    int error = 0;
    listener_ = loop.Listen(SocketAddress::Loopback4(0), {}, *this, &error);
    EXPECT_NE(listener_, nullptr);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    accepted.push_back(std::move(socket));
  }
  SocketAddress address() const { return listener_->LocalAddress(); }
  size_t open() const {
    size_t count = 0;
    for (const auto& socket : accepted) count += socket->PeekPending() == 0;
    return count;
  }
  std::vector<std::unique_ptr<loop::Socket>> accepted;

 private:
  std::unique_ptr<loop::Listener> listener_;
};

class Request : public StreamWaiter {
 public:
  explicit Request(loop::Loop& loop) : recorder_(loop.slab()) {}
  http::StreamEvents& events() override { return recorder_; }
  void OnStream(http::Stream& opened, Transport& transport, bool on_reused) override {
    ++answers;
    if (transport.peer() != nullptr) peer_not_after = transport.peer()->not_after;
    stream = &opened;
    reused = on_reused;
  }
  void OnNoStream(Failure why) override {
    ++answers;
    failure = why.kind;
  }
  void Ask(ConnectionPool& pool, bool fresh = false) {
    const Acquired acquired = pool.Acquire(*this, fresh);
    if (acquired.stream != nullptr)
      OnStream(*acquired.stream, *acquired.transport, acquired.reused);
    if (acquired.failure) OnNoStream(acquired.failure);
  }
  // Before anything was sent: the connection may serve again.
  void End() { std::exchange(stream, nullptr)->Reset({}); }

  http::Stream* stream = nullptr;
  bool reused = false;
  int64_t peer_not_after = 0;
  FailureKind failure = FailureKind::kNone;
  int answers = 0;

 private:
  http::StreamRecorder recorder_;
};

class CountingConnector : public tls::SecureConnector {
 public:
  std::unique_ptr<Transport> Connect(loop::Loop& loop, const SocketAddress& to,
                                     const SocketAddress& source) const override {
    ++dials;
    return PlainConnector().Connect(loop, to, source);
  }
  mutable int dials = 0;
};

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() {
    spec_.name = "c";
    spec_.pool_key = 1;
    spec_.transport_sockets.emplace_back();
  }
  // An HTTP/2 stream outlives its connection until its user lets it go.
  void EndRequests() {
    for (Request* request : {&one_, &two_, &three_}) request->End();
  }
  // What the cluster leaves to the end of a turn goes before the loop does.
  void TearDown() override {
    cluster_.reset();
    loop_->Post([] {});
    Pass();
  }
  std::shared_ptr<const ClusterSpec> Spec() const { return std::make_shared<ClusterSpec>(spec_); }
  static std::shared_ptr<const EndpointSet> Set(const std::vector<SocketAddress>& addresses,
                                                const std::string& spiffe_id = "") {
    auto set = std::make_shared<EndpointSet>();
    for (const SocketAddress& address : addresses) {
      set->endpoints.emplace_back().address = address;
      set->endpoints.back().spiffe_id = spiffe_id;
    }
    return set;
  }
  void Build(const std::vector<SocketAddress>& addresses) {
    limits_ = std::make_shared<ClusterLimits>(1);
    cluster_.emplace(*loop_, deadlines_, Spec(), limits_);
    cluster_->SetEndpoints(Set(addresses));
  }
  // One attempt that ends as the endpoint makes it; empty: none was let pass.
  template <typename Ending>
  std::optional<Outcome> Try(Ending ending) {
    Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
    if (picked.endpoint == nullptr) return std::nullopt;
    const Outcome outcome = ending(*picked.endpoint);
    cluster_->Judge(picked, outcome);
    cluster_->Leave(picked);
    return outcome;
  }
  Endpoint& At(const SocketAddress& address) {
    for (const Endpoint* endpoint : cluster_->Endpoints()) {
      if (endpoint->spec().address == address) return const_cast<Endpoint&>(*endpoint);
    }
    ADD_FAILURE() << "no endpoint " << address.ToString();
    std::abort();
  }
  ConnectionPool& Pool(const Backend& backend, HttpVersion version = HttpVersion::k1) {
    return At(backend.address()).Pool(version);
  }
  void Pass(loop::Duration time = milliseconds(100)) { simulation_.RunFor(time); }
  uint32_t connections() const { return limits_->connections.count(); }
  uint32_t pending() const { return limits_->pending.count(); }

  sim::Simulation simulation_{7};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  loop::Deadlines deadlines_{*loop_};
  Backend a_{*loop_}, b_{*loop_};
  ClusterSpec spec_;
  std::shared_ptr<ClusterLimits> limits_;
  Request one_{*loop_}, two_{*loop_}, three_{*loop_};
  std::optional<Cluster> cluster_;
  Failure failure_;
};

TEST_F(ClusterTest, ConnectionsAreReused) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  EXPECT_EQ(one_.answers, 0);
  Pass();
  ASSERT_NE(one_.stream, nullptr);
  EXPECT_FALSE(one_.reused);
  one_.End();
  Pass();
  two_.Ask(Pool(a_));
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_TRUE(two_.reused);
  EXPECT_EQ(a_.accepted.size(), 1u);
}

TEST_F(ClusterTest, ConnectionsStayWithinTheirCap) {
  spec_.caps.connections = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_));
  Pass();
  ASSERT_NE(one_.stream, nullptr);
  EXPECT_EQ(two_.answers, 0);
  EXPECT_EQ(connections(), 1u);
  one_.End();
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_EQ(a_.accepted.size(), 1u);
}

TEST_F(ClusterTest, IdleConnectionOfAnotherEndpointMakesRoomAtTheCap) {
  spec_.caps.connections = 1;
  Build({a_.address(), b_.address()});
  one_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass();
  two_.Ask(Pool(b_));
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_EQ(connections(), 1u);
  EXPECT_EQ(a_.open(), 0u);
}

TEST_F(ClusterTest, WaiterAtTheCapGetsTheConnectionThatBecomesIdleElsewhere) {
  spec_.caps.connections = 1;
  Build({a_.address(), b_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(b_));
  Pass();
  EXPECT_EQ(two_.answers, 0);
  one_.End();
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_EQ(connections(), 1u);
}

TEST_F(ClusterTest, PendingRequestsStayWithinTheirCap) {
  spec_.caps.pending_requests = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_));
  EXPECT_EQ(one_.answers, 0);
  EXPECT_EQ(two_.failure, FailureKind::kOverflow);
  one_.Withdraw();
  EXPECT_EQ(pending(), 0u);
  three_.Ask(Pool(a_));
  EXPECT_EQ(three_.answers, 0);
  EXPECT_EQ(pending(), 1u);
}

TEST_F(ClusterTest, RequestsStayWithinTheirCap) {
  spec_.caps.requests = 2;
  Build({a_.address()});
  EXPECT_TRUE(cluster_->TryEnterRequest());
  EXPECT_TRUE(cluster_->TryEnterRequest());
  EXPECT_FALSE(cluster_->TryEnterRequest());
  cluster_->LeaveRequest();
  EXPECT_TRUE(cluster_->TryEnterRequest());
  EXPECT_FALSE(cluster_->TryEnterRequest());
}

TEST_F(ClusterTest, RetriesStayWithinTheirCap) {
  spec_.caps.retries = 1;
  Build({a_.address()});
  EXPECT_TRUE(cluster_->TryEnterRetry());
  EXPECT_FALSE(cluster_->TryEnterRetry());
  cluster_->LeaveRetry();
  EXPECT_TRUE(cluster_->TryEnterRetry());
}

TEST_F(ClusterTest, RetryBudgetGrowsWithTheRequests) {
  spec_.caps.retries = 0;  // not used
  spec_.caps.has_retry_budget = true;
  spec_.caps.budget_percent = 20;
  spec_.caps.budget_minimum = 1;
  Build({a_.address()});
  EXPECT_TRUE(cluster_->TryEnterRetry());
  EXPECT_FALSE(cluster_->TryEnterRetry());
  for (int i = 0; i < 14; ++i) EXPECT_TRUE(cluster_->TryEnterRequest());
  EXPECT_TRUE(cluster_->TryEnterRetry()) << "20 % of 14 is two and a bit; one is there";
  EXPECT_FALSE(cluster_->TryEnterRetry());
}

TEST_F(ClusterTest, IdleConnectionsAreClosedInTime) {
  spec_.idle_timeout = milliseconds(5000);
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass(seconds(2));
  two_.End();
  Pass(milliseconds(2900));
  EXPECT_EQ(a_.open(), 2u);
  Pass(milliseconds(200));
  EXPECT_EQ(a_.open(), 1u);
  EXPECT_EQ(connections(), 1u);
  Pass(seconds(2));
  EXPECT_EQ(connections(), 0u);
}

TEST_F(ClusterTest, NewPoolsUseTheNewIdleTimeout) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass();
  spec_.pool_key = 2;
  spec_.idle_timeout = milliseconds(1000);
  cluster_->Update(Spec());
  two_.Ask(Pool(a_));
  Pass();
  two_.End();
  Pass(milliseconds(1100));
  EXPECT_EQ(connections(), 0u);
}

TEST_F(ClusterTest, RefusedConnectFailsThoseWhoWait) {
  spec_.caps.connections = 1;
  const SocketAddress nobody = SocketAddress::Loopback4(9);
  Build({nobody});
  one_.Ask(At(nobody).Pool(HttpVersion::k1));
  two_.Ask(At(nobody).Pool(HttpVersion::k1));
  Pass();
  EXPECT_EQ(one_.failure, FailureKind::kConnectRefused);
  EXPECT_EQ(two_.failure, FailureKind::kConnectRefused);
  EXPECT_EQ(one_.answers + two_.answers, 2);
  EXPECT_EQ(connections(), 0u);
  EXPECT_EQ(pending(), 0u);
}

TEST_F(ClusterTest, ConnectTimeoutFailsOnlyWhoHasNoConnectionOnItsWay) {
  const SocketAddress silent = *SocketAddress::Parse("10.9.9.9", 80);  // of no host
  spec_.connect_timeout = milliseconds(5000);
  Build({silent});
  ConnectionPool& pool = At(silent).Pool(HttpVersion::k1);
  one_.Ask(pool);
  Pass(seconds(3));
  two_.Ask(pool);
  Pass(milliseconds(1900));
  EXPECT_EQ(one_.answers, 0);
  Pass(milliseconds(200));
  EXPECT_EQ(one_.failure, FailureKind::kConnectTimeout);
  EXPECT_EQ(two_.answers, 0);
  Pass(seconds(3));
  EXPECT_EQ(two_.failure, FailureKind::kConnectTimeout);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(ClusterTest, WithdrawnRequestLeavesItsConnectionToTheNext) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  one_.Withdraw();
  Pass();
  EXPECT_EQ(one_.answers, 0);
  EXPECT_EQ(pending(), 0u);
  two_.Ask(Pool(a_));
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_FALSE(two_.reused);
}

TEST_F(ClusterTest, WithdrawingInTheMiddleKeepsTheOrderOfTheRest) {
  spec_.caps.connections = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  {
    Request gone(*loop_);
    gone.Ask(Pool(a_));
    two_.Ask(Pool(a_));
  }
  three_.Ask(Pool(a_));
  EXPECT_EQ(pending(), 3u);
  Pass();
  ASSERT_NE(one_.stream, nullptr);
  one_.End();
  Pass();
  EXPECT_NE(two_.stream, nullptr);
  EXPECT_EQ(three_.answers, 0);
}

TEST_F(ClusterTest, FreshRequestIsNotGivenAUsedConnection) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(a_), true);
  one_.End();  // its connection has room before the new one is there
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_FALSE(two_.reused);
  EXPECT_EQ(a_.accepted.size(), 2u);
}

TEST_F(ClusterTest, FreshRequestAtTheCapReplacesTheUsedConnection) {
  spec_.caps.connections = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(a_), true);
  one_.End();
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_FALSE(two_.reused);
  EXPECT_EQ(connections(), 1u);
}

TEST_F(ClusterTest, ConnectionsEndAfterTheirNumberOfRequests) {
  spec_.max_requests_per_connection = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass();
  EXPECT_EQ(a_.open(), 0u);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(ClusterTest, Http2RequestsShareAConnection) {
  Build({a_.address()});
  one_.Ask(Pool(a_, HttpVersion::k2));
  two_.Ask(Pool(a_, HttpVersion::k2));
  Pass();
  EXPECT_NE(one_.stream, nullptr);
  EXPECT_NE(two_.stream, nullptr);
  three_.Ask(Pool(a_, HttpVersion::k2));
  EXPECT_NE(three_.stream, nullptr);
  EXPECT_EQ(a_.accepted.size(), 1u);
  EndRequests();
}

TEST_F(ClusterTest, Http2ConnectionsEndAfterTheirNumberOfRequests) {
  spec_.max_requests_per_connection = 2;
  Build({a_.address()});
  one_.Ask(Pool(a_, HttpVersion::k2));
  two_.Ask(Pool(a_, HttpVersion::k2));
  Pass();
  three_.Ask(Pool(a_, HttpVersion::k2));
  Pass();
  ASSERT_NE(three_.stream, nullptr);
  EXPECT_FALSE(three_.reused);
  EXPECT_EQ(a_.accepted.size(), 2u);
  EndRequests();
}

TEST_F(ClusterTest, RemovedEndpointEndsWithItsRequests) {
  Build({a_.address(), b_.address()});
  Endpoint& endpoint = At(a_.address());
  ++endpoint.active;
  Cluster::Picked picked{&endpoint};
  one_.Ask(endpoint.Pool(HttpVersion::k1));
  two_.Ask(endpoint.Pool(HttpVersion::k1));
  Pass();
  two_.End();
  Pass();
  cluster_->SetEndpoints(Set({b_.address()}));
  Pass();
  EXPECT_EQ(a_.open(), 1u) << "the idle one is closed, the busy one is not";
  ASSERT_NE(one_.stream, nullptr);
  one_.End();
  cluster_->Leave(picked);
  Pass();
  EXPECT_EQ(a_.open(), 0u);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(ClusterTest, RemovedEndpointStillServesWhoWaits) {
  spec_.caps.connections = 1;
  Build({a_.address(), b_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(b_));
  cluster_->SetEndpoints(Set({a_.address()}));
  one_.End();
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  two_.End();
  Pass();
  EXPECT_EQ(b_.open(), 0u);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(ClusterTest, UpdateWithTheSameKeyKeepsConnections) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass();
  cluster_->Update(Spec());
  two_.Ask(Pool(a_));
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_TRUE(two_.reused);
}

TEST_F(ClusterTest, UpdateWithAnotherKeyMakesNewOnes) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass();
  spec_.pool_key = 2;
  cluster_->Update(Spec());
  two_.Ask(Pool(a_));
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_FALSE(two_.reused);
  EXPECT_EQ(a_.open(), 1u);
  EXPECT_EQ(a_.accepted.size(), 2u);
}

TEST_F(ClusterTest, UpdateWithAnotherKeyAfterTheCapWasReached) {
  spec_.caps.connections = 1;
  Build({a_.address(), b_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(b_));
  two_.Withdraw();
  one_.End();
  Pass();
  spec_.pool_key = 2;
  cluster_->Update(Spec());
  Pass();
  EXPECT_EQ(connections(), 0u);
  EXPECT_EQ(cluster_->Endpoints().size(), 2u);
}

TEST_F(ClusterTest, HigherCapServesWhoWaits) {
  spec_.caps.connections = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_));
  Pass();
  EXPECT_EQ(two_.answers, 0);
  spec_.caps.connections = 2;
  cluster_->Update(Spec());
  Pass();
  EXPECT_NE(two_.stream, nullptr);
}

TEST_F(ClusterTest, RetiredEndpointDialsByTheCurrentSpec) {
  std::vector<std::shared_ptr<CountingConnector>> connectors;
  std::vector<std::shared_ptr<const ClusterSpec>> versions;
  const auto next = [&] {
    connectors.push_back(std::make_shared<CountingConnector>());
    spec_.transport_sockets.front().tls = connectors.back();
    ++spec_.pool_key;
  };
  spec_.caps.connections = 1;
  next();
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_), true);
  Pass();
  ASSERT_NE(one_.stream, nullptr);
  for (int i = 0; i < 2; ++i) {
    next();
    versions.push_back(Spec());
    cluster_->Update(versions.back());
  }
  one_.End();
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_EQ(connectors[1]->dials, 0);
  EXPECT_EQ(connectors[2]->dials, 1);
}

TEST_F(ClusterTest, EndedClusterTellsNobody) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(a_));
  cluster_.reset();
  Pass();
  EXPECT_EQ(two_.answers, 0);
  EXPECT_EQ(pending(), 0u);
  EXPECT_EQ(connections(), 0u);
  EXPECT_EQ(a_.open(), 0u);
}

TEST_F(ClusterTest, PickAvoidsWhatWasTried) {
  Build({a_.address(), b_.address()});
  Endpoint* tried[] = {&At(a_.address())};
  for (int i = 0; i < 10; ++i) {
    Failure failure;
    EXPECT_EQ(cluster_->Pick(tried, 3, &failure).endpoint, &At(b_.address()));
  }
  EXPECT_EQ(At(b_.address()).active, 10u);
  cluster_->SetEndpoints(Set({}));
  Failure failure;
  EXPECT_EQ(cluster_->Pick({}, 3, &failure).endpoint, nullptr);
  EXPECT_EQ(failure.kind, FailureKind::kNoHealthyEndpoint);
}

TEST_F(ClusterTest, AnOpenBreakerSendsRequestsElsewhere) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 100};
  spec_.panic_percent = 0;
  Build({a_.address(), b_.address()});
  const auto but_for = [](const SocketAddress& bad) {
    return [bad](const Endpoint& one) {
      return one.spec().address == bad ? Outcome::kGatewayError : Outcome::kGood;
    };
  };
  int failed = 0;
  for (int i = 0; i < 100; ++i) failed += Try(but_for(a_.address())) == Outcome::kGatewayError;
  EXPECT_EQ(failed, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Try(but_for(b_.address())), Outcome::kGatewayError);
  EXPECT_EQ(Try(but_for({})), std::nullopt);
  EXPECT_EQ(failure_.kind, FailureKind::kBreakerOpen);
}

TEST_F(ClusterTest, NoMoreBreakersOpenThanMayBe) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 50};
  spec_.panic_percent = 0;
  Build({a_.address(), b_.address()});
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(Try([](const Endpoint&) { return Outcome::kGatewayError; })) << i;
  EXPECT_NE(At(a_.address()).breaker().state(), At(b_.address()).breaker().state());
}

TEST_F(ClusterTest, InPanicBreakersAreNotHeeded) {
  spec_.breaker = BreakerSpec{.gateway_errors = {3, 100}, .max_open_percent = 100};
  spec_.panic_percent = 60;
  Build({a_.address(), b_.address()});
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(Try([](const Endpoint&) { return Outcome::kGatewayError; })) << i;
}

TEST_F(ClusterTest, RemovedClusterLivesAsLongAsItsUsers) {
  ClusterTable table(*loop_, deadlines_);
  auto spec = Spec();
  const std::weak_ptr<const ClusterSpec> life = spec;
  table.Put(std::move(spec), std::make_shared<ClusterLimits>(1));
  Cluster* cluster = table.Acquire("c");
  ASSERT_NE(cluster, nullptr);
  table.Remove("c");
  EXPECT_EQ(table.Acquire("c"), nullptr);
  loop_->Post([] {});
  Pass();
  EXPECT_FALSE(life.expired());
  table.Release(*cluster);
  loop_->Post([] {});
  Pass();
  EXPECT_TRUE(life.expired());
}

class SecureClusterTest : public ClusterTest {
 protected:
  SecureClusterTest() {
    tls::ServerTlsSpec server;
    server.identity = tls::testing::IdentityOf(ca_.Workload("server"));
    server.trust = tls::testing::Share(ca_.Bundle());
    server_.emplace(*loop_, *tls::SimTransports().NewAcceptor(std::move(server)));
    client_.identity = tls::testing::IdentityOf(ca_.Workload("client"));
    client_.trust = tls::testing::Share(ca_.Bundle());
    Dress();
  }
  // Puts client_ into the cluster's spec.
  void Dress() {
    spec_.transport_sockets.front().tls = *tls::SimTransports().NewConnector(client_);
  }
  void Push() {
    Dress();
    cluster_->Update(Spec());
    Pass();
  }
  // One connection with a request, one idle.
  void Occupy() {
    AskOf("server");
    two_.Ask(Pool());
    Pass();
    one_.End();
    Pass();
    ASSERT_NE(two_.stream, nullptr);
    ASSERT_EQ(connections(), 2u);
  }
  ConnectionPool& Pool() { return At(server_->address()).Pool(HttpVersion::k1); }
  static std::string IdOf(const std::string& account) {
    return "spiffe://cluster.local/ns/default/sa/" + account;
  }
  certs::TrustBundle BothBundles() const {
    return certs::TrustBundle::OfDomain(
        "cluster.local", {ca_.authority().certificate(), other_ca_.authority().certificate()});
  }
  void AskOf(const std::string& account) {
    Build({});
    cluster_->SetEndpoints(
        Set({server_->address()}, "spiffe://cluster.local/ns/default/sa/" + account));
    one_.Ask(At(server_->address()).Pool(HttpVersion::k1));
    Pass();
  }
  certs::testing::TestCa ca_{
      "cluster.local", 1,
      std::chrono::duration_cast<seconds>(simulation_.WallNow().time_since_epoch()).count(),
      certs::testing::TestKeys::kSeeded};
  // Of the same trust domain: what roots are rotated to.
  certs::testing::TestCa other_ca_{
      "cluster.local", 2,
      std::chrono::duration_cast<seconds>(simulation_.WallNow().time_since_epoch()).count(),
      certs::testing::TestKeys::kSeeded};
  tls::ClientTlsSpec client_;
  std::optional<tls::testing::SecureServer> server_;
};

TEST_F(SecureClusterTest, EndpointWithItsOwnSpiffeIdServes) {
  AskOf("server");
  EXPECT_NE(one_.stream, nullptr);
}

TEST_F(SecureClusterTest, EndpointWithAnotherSpiffeIdIsRefused) {
  AskOf("other");
  EXPECT_EQ(one_.failure, FailureKind::kPeerRefused);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(SecureClusterTest, PeerOfARootThatIsGoneGetsNoFurtherRequest) {
  Occupy();
  client_.trust = tls::testing::Share(other_ca_.Bundle());
  Push();
  EXPECT_EQ(connections(), 1u);  // the idle one has closed
  EXPECT_EQ(server_->ends.size(), 2u);
  EXPECT_NE(two_.stream, nullptr);  // the other answers first
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 0u);
  three_.Ask(Pool());
  Pass();
  EXPECT_EQ(three_.stream, nullptr);
  EXPECT_EQ(three_.failure, FailureKind::kPeerRefused);
}

TEST_F(SecureClusterTest, RenewedCertificateAndRootsWithOverlapCloseNothing) {
  Occupy();
  client_.identity = tls::testing::IdentityOf(other_ca_.Workload("client"));
  Push();
  client_.trust = tls::testing::Share(BothBundles());
  Push();
  client_.san_matchers = {};
  Push();
  EXPECT_EQ(connections(), 2u);
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 2u);
  three_.Ask(Pool());
  ASSERT_NE(three_.stream, nullptr);
  EXPECT_TRUE(three_.reused);
  // The new root is dropped again: the peer is of the old one.
  client_.trust = tls::testing::Share(ca_.Bundle());
  Push();
  EXPECT_EQ(connections(), 2u);
}

TEST_F(SecureClusterTest, AllowedNamesAreHeldAgainstOpenConnections) {
  client_.san_matchers = {certs::SanMatcher::ExactUri(IdOf("server")),
                          certs::SanMatcher::ExactUri(IdOf("other"))};
  Dress();
  Occupy();
  client_.san_matchers.pop_back();
  Push();
  EXPECT_EQ(connections(), 2u);
  client_.san_matchers = {certs::SanMatcher::ExactUri(IdOf("other"))};
  Push();
  EXPECT_EQ(connections(), 1u);
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 0u);
}

TEST_F(SecureClusterTest, EndpointsOwnIdentityIsHeldAgainstOpenConnections) {
  Occupy();
  // By nobody's name, then by its own again: nothing has changed for the peer.
  for (const std::string& id : {std::string(), IdOf("server")}) {
    cluster_->SetEndpoints(Set({server_->address()}, id));
    Pass();
    EXPECT_EQ(connections(), 2u);
  }
  cluster_->SetEndpoints(Set({server_->address()}, IdOf("other")));
  Pass();
  EXPECT_EQ(connections(), 1u);
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 0u);
}

TEST_F(SecureClusterTest, ConnectionUnderWayIsHeldAgainstTheNewRoots) {
  Build({server_->address()});
  one_.Ask(Pool());
  ASSERT_EQ(connections(), 1u);
  client_.trust = tls::testing::Share(other_ca_.Bundle());
  Push();
  EXPECT_EQ(one_.stream, nullptr);
  EXPECT_EQ(one_.failure, FailureKind::kPeerRefused);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(SecureClusterTest, CertificateThatHasEndedMeanwhileIsNoReasonToClose) {
  spec_.idle_timeout = {};
  client_.trust = tls::testing::Share(BothBundles());
  Dress();
  Occupy();
  // Judged, as a root goes; and long after the server's certificate has ended.
  const int64_t not_after = two_.peer_not_after;
  Pass(seconds(not_after) - simulation_.WallNow().time_since_epoch() + seconds(3600));
  client_.trust = tls::testing::Share(ca_.Bundle());
  Push();
  EXPECT_EQ(connections(), 2u);
}

// A retired endpoint's relays are the only connections that outlive it without draining.
TEST_F(SecureClusterTest, DirectConnectionsAreToldEvenOfARetiredEndpoint) {
  class Relay : public DirectConnection {
   public:
    explicit Relay(const Transport& transport) : transport_(transport) {}
    const Transport& upstream() const override { return transport_; }
    void OnPeerRefused() override { ++refusals; }
    int refusals = 0;

   private:
    const Transport& transport_;
  };
  Build({server_->address()});
  Failure failure;
  Cluster::Picked picked = cluster_->Pick({}, 0, &failure);
  Endpoint* endpoint = picked.endpoint;
  tls::testing::TestEnd end(*loop_);
  end.Take(Dial(*loop_, cluster_->spec(), endpoint->spec(), endpoint->socket()));
  Pass();
  ASSERT_TRUE(end.ready);
  Relay relay(end.transport());
  endpoint->direct().PushBack(relay);
  client_.trust = tls::testing::Share(BothBundles());
  Push();
  cluster_->SetEndpoints(Set({}));
  Pass();
  EXPECT_EQ(relay.refusals, 0);
  client_.trust = tls::testing::Share(other_ca_.Bundle());
  Push();
  EXPECT_EQ(relay.refusals, 1);
  static_cast<ListNode<DirectConnection>&>(relay).Unlink();
  cluster_->Leave(picked);
}

}  // namespace
}  // namespace tulle::upstream
