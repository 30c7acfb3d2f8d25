#include <gtest/gtest.h>

#include <memory>

#include "net/socket/transports.h"
#include "net/tls/secure_transports.h"
#include "sidecar/upstream/cluster_for_test.h"
#include "sidecar/upstream/cluster_table.h"
#include "sidecar/upstream/connection_pool.h"
#include "sidecar/upstream/failures.h"

namespace tulle::upstream {
namespace {

class CountingConnector : public tls::SecureConnector {
 public:
  std::unique_ptr<Transport> Connect(loop::Loop& loop, const SocketAddress& to,
                                     const SocketAddress& source) const override {
    ++dials;
    return PlainConnector().Connect(loop, to, source);
  }
  mutable int dials = 0;
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

TEST_F(ClusterTest, FreshRequestGetsAnUnusedIdleConnection) {
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  one_.End();  // used, and idle
  two_.Ask(Pool(a_), true);
  two_.Withdraw();
  Pass();  // the connection that was opened for it stays, unused
  spec_.caps.connections = 2;
  cluster_->Update(Spec());
  ASSERT_EQ(connections(), 2u);
  three_.Ask(Pool(a_), true);
  ASSERT_NE(three_.stream, nullptr);
  EXPECT_FALSE(three_.reused);
  Pass();
  EXPECT_EQ(a_.accepted.size(), 2u);
}

TEST_F(ClusterTest, PendingRequestsStayWithinTheirCap) {
  spec_.caps.pending_requests = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_));
  EXPECT_EQ(one_.answers, 0);
  EXPECT_EQ(two_.failure, failures::kOverflow);
  one_.Withdraw();
  EXPECT_EQ(pending(), 0u);
  three_.Ask(Pool(a_));
  EXPECT_EQ(three_.answers, 0);
  EXPECT_EQ(pending(), 1u);
}

TEST_F(ClusterTest, WaitingForAConnectionEndsInTime) {
  spec_.caps.connections = 1;
  spec_.connect_timeout = seconds(2);
  Build({a_.address()});
  one_.Ask(Pool(a_));
  Pass();
  two_.Ask(Pool(a_));
  Pass(milliseconds(1900));
  three_.Ask(Pool(a_));
  EXPECT_EQ(two_.answers, 0);
  Pass();
  EXPECT_EQ(two_.failure, failures::kOverflow);
  EXPECT_EQ(pending(), 1u);
  one_.End();
  Pass();
  ASSERT_NE(three_.stream, nullptr);
  Pass(seconds(5));
  EXPECT_EQ(three_.answers, 1);
}

TEST_F(ClusterTest, IdleConnectionsStayWithinTheirCap) {
  spec_.max_idle_connections = 1;
  Build({a_.address(), b_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(b_));
  three_.Ask(Pool(b_));
  Pass();
  EXPECT_EQ(connections(), 3u);
  one_.End();
  Pass();
  EXPECT_EQ(connections(), 3u);
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 2u);  // the oldest was closed
  EXPECT_EQ(a_.open(), 0u);
  three_.End();
  Pass();
  EXPECT_EQ(connections(), 1u);
}

TEST_F(ClusterTest, WithoutIdleConnectionsAWaiterIsStillServed) {
  spec_.max_idle_connections = 0;
  spec_.caps.connections = 1;
  Build({a_.address()});
  one_.Ask(Pool(a_));
  two_.Ask(Pool(a_));
  Pass();
  one_.End();
  Pass();
  ASSERT_NE(two_.stream, nullptr);
  EXPECT_TRUE(two_.reused);
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 0u);
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

TEST_F(ClusterTest, RefusedConnectFailsWaiters) {
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

TEST_F(ClusterTest, ConnectTimeoutFailsOnlyWaitersWithoutAPendingConnection) {
  const SocketAddress silent = *SocketAddress::Parse("10.9.9.9", 80);  // no host has this address
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

TEST_F(ClusterTest, RemovedEndpointStillServesWaiters) {
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

TEST_F(ClusterTest, HigherLimitServesWaiters) {
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

TEST_F(ClusterTest, DestroyedClusterNotifiesNoWaiters) {
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

}  // namespace
}  // namespace tulle::upstream
