#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "certs/testing/fixtures.h"
#include "net/tls/sim_transports.h"
#include "net/tls/testing/secure_pair.h"
#include "sidecar/upstream/cluster_for_test.h"

namespace tulle::upstream {
namespace {

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
  // A request over HTTP/2 on a connection that was idle for a minute.
  void AskAndPass(seconds time) {
    Arena arena(loop_->slab());
    http::Head head(arena);
    head.method = "GET";
    head.scheme = "http";
    head.authority = "a";
    head.path = "/";
    one_.Ask(At(server_->address()).Pool(HttpVersion::k2));
    Pass();
    ASSERT_NE(one_.stream, nullptr);
    EXPECT_EQ(connections(), 1u);
    Pass(seconds(60));
    EXPECT_EQ(connections(), 1u) << "it owes nothing";
    one_.stream->SendHeaders(head, true);
    Pass(time);
  }
  certs::testing::TestCa ca_{
      "cluster.local", 1,
      std::chrono::duration_cast<seconds>(simulation_.WallNow().time_since_epoch()).count(),
      certs::testing::TestKeys::kSeeded};
  // Of the same trust domain: the new root of a rotation.
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

// As after the node of the peer was cut off: nothing is sent back, not even a RST.
TEST_F(SecureClusterTest, AMeshedPeerThatAnswersNoPingIsLostSoon) {
  Build({server_->address(), a_.address()});
  AskAndPass(seconds(16));
  EXPECT_EQ(connections(), 0u);
  one_.End();
}

// Such as a gRPC server of others, which closes connections for a few PINGs.
TEST_F(SecureClusterTest, APeerOutsideOfTheMeshIsGivenMoreTime) {
  client_.require_spiffe = false;
  Dress();
  Build({server_->address(), a_.address()});
  AskAndPass(seconds(28));
  EXPECT_EQ(connections(), 1u);
  Pass(seconds(30));
  EXPECT_EQ(connections(), 0u);
  one_.End();
}

TEST_F(SecureClusterTest, EndpointWithAnotherSpiffeIdIsRefused) {
  AskOf("other");
  EXPECT_EQ(one_.failure, FailureKind::kPeerRefused);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(SecureClusterTest, PeerOfARemovedRootGetsNoFurtherRequest) {
  Occupy();
  client_.trust = tls::testing::Share(other_ca_.Bundle());
  Push();
  EXPECT_EQ(connections(), 1u);  // the idle one was closed
  EXPECT_EQ(server_->ends.size(), 2u);
  EXPECT_NE(two_.stream, nullptr);  // the other responds first
  two_.End();
  Pass();
  EXPECT_EQ(connections(), 0u);
  three_.Ask(Pool());
  Pass();
  EXPECT_EQ(three_.stream, nullptr);
  EXPECT_EQ(three_.failure, FailureKind::kPeerRefused);
}

TEST_F(SecureClusterTest, RenewedCertificateAndOverlappingRootsCloseNothing) {
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
  // The new root is removed again: the peer's certificate is from the old one.
  client_.trust = tls::testing::Share(ca_.Bundle());
  Push();
  EXPECT_EQ(connections(), 2u);
}

TEST_F(SecureClusterTest, AllowedNamesApplyToOpenConnections) {
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

TEST_F(SecureClusterTest, EndpointIdentityAppliesToOpenConnections) {
  Occupy();
  // First allows no name, then its own again: nothing has changed for the peer.
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

TEST_F(SecureClusterTest, PendingConnectionIsCheckedAgainstTheNewRoots) {
  Build({server_->address()});
  one_.Ask(Pool());
  ASSERT_EQ(connections(), 1u);
  client_.trust = tls::testing::Share(other_ca_.Bundle());
  Push();
  EXPECT_EQ(one_.stream, nullptr);
  EXPECT_EQ(one_.failure, FailureKind::kPeerRefused);
  EXPECT_EQ(connections(), 0u);
}

TEST_F(SecureClusterTest, ExpiryAfterTheHandshakeClosesNothing) {
  spec_.idle_timeout = {};
  client_.trust = tls::testing::Share(BothBundles());
  Dress();
  Occupy();
  // Checked when a root is removed; and long after the server's certificate has expired.
  const int64_t not_after = two_.peer_not_after;
  Pass(seconds(not_after) - simulation_.WallNow().time_since_epoch() + seconds(3600));
  client_.trust = tls::testing::Share(ca_.Bundle());
  Push();
  EXPECT_EQ(connections(), 2u);
}

// A retired endpoint's relays are the only connections that outlive it without draining.
TEST_F(SecureClusterTest, DirectConnectionsOfARetiredEndpointAreNotified) {
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
