// Relays as a listener makes them, between a client and a server of the simulator.
#include "sidecar/proxy/tcp_relay.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/socket/transports.h"
#include "net/tls/sim_transports.h"
#include "net/tls/testing/secure_pair.h"
#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/testing/tcp_world.h"
#include "sidecar/route/route_table.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

using certs::testing::TestCa;
using certs::testing::TestKeys;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Backend;
using tls::testing::Echo;
using tls::testing::IdentityOf;
using tls::testing::Share;
using tls::testing::TestEnd;

class TcpRelayTest : public testing::TcpWorld {};

TEST_F(TcpRelayTest, HalfCloseOfTheClientLeavesTheServersHalfOpen) {
  Connect();
  client_.Send("question");
  client_.transport().ShutdownWrite();
  Pass();
  EXPECT_EQ(server().received.ToString(), "question");
  EXPECT_TRUE(server().ended);
  EXPECT_FALSE(client_.ended);
  server().Send("answer");
  Pass(seconds(10));
  EXPECT_EQ(client_.received.ToString(), "answer");
  EXPECT_FALSE(client_.ended);
  EXPECT_TRUE(watcher_.ended.empty());
  server().transport().ShutdownWrite();
  Pass();
  EXPECT_TRUE(client_.ended);
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_FALSE(record().failure);
  EXPECT_EQ(record().received, 8u);
  EXPECT_EQ(record().sent, 6u);
  EXPECT_EQ(record().cluster, "c");
  EXPECT_EQ(record().service, "the-service");
  EXPECT_EQ(watcher_.opened, 1);
  EXPECT_EQ(limits_->connections.count(), 0u);
}

TEST_F(TcpRelayTest, HalfCloseOfTheServerLeavesTheClientsHalfOpen) {
  Connect();
  server().Send("greeting");
  server().transport().ShutdownWrite();
  Pass();
  EXPECT_EQ(client_.received.ToString(), "greeting");
  EXPECT_TRUE(client_.ended);
  EXPECT_FALSE(server().ended);
  client_.Send("thanks");
  client_.transport().ShutdownWrite();
  Pass();
  EXPECT_EQ(server().received.ToString(), "thanks");
  EXPECT_TRUE(server().ended);
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_FALSE(record().failure);
}

TEST_F(TcpRelayTest, ServerThatDoesNotReadHoldsTheClientBack) {
  backend_.on_accept = [](TestEnd&) {};
  Connect();
  const std::string much(4 << 20, 'x');
  client_.Send(much + "end");
  client_.on_writable = [this] {
    if (client_.pending.empty()) client_.transport().ShutdownWrite();
  };
  Pass(seconds(30));
  // What has left the client stands in four kernel buffers and one read of the relay's.
  EXPECT_GT(client_.pending.size(), much.size() - 5 * 64 * 1024);
  server().transport().EnableRead(true);
  Pass(seconds(30));
  // Nothing is lost, and the end comes after the last byte.
  EXPECT_TRUE(client_.pending.empty());
  EXPECT_EQ(server().received.ToString(), much + "end");
  EXPECT_TRUE(server().ended);
}

TEST_F(TcpRelayTest, ClientThatDoesNotReadHoldsTheServerBack) {
  client_.on_ready = [] {};
  Connect();
  const std::string much(4 << 20, 'y');
  server().Send(much);
  Pass(seconds(30));
  EXPECT_GT(server().pending.size(), much.size() - 5 * 64 * 1024);
  // The other direction goes on meanwhile.
  client_.Send("still here");
  Pass();
  EXPECT_EQ(server().received.ToString(), "still here");
  client_.transport().EnableRead(true);
  Pass(seconds(30));
  EXPECT_EQ(client_.received.ToString(), much);
}

TEST_F(TcpRelayTest, IdleRelayIsResetAndBytesOfEitherSidePutItOff) {
  tcp_.idle_timeout = seconds(10);
  Connect();
  Pass(seconds(8));
  client_.Send("a");
  Pass(seconds(8));
  server().Send("b");
  Pass(seconds(8));
  EXPECT_TRUE(watcher_.ended.empty());
  Pass(seconds(3));
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, failures::kStreamIdleTimeout);
  EXPECT_FALSE(client_.ended);  // no clean end
  EXPECT_TRUE(client_.failure);
  EXPECT_TRUE(server().failure);
}

TEST_F(TcpRelayTest, ResetOfTheClientIsPassedOn) {
  Connect();
  client_.Close(true);
  Pass();
  EXPECT_FALSE(server().ended);
  EXPECT_TRUE(server().failure);
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_TRUE(record().failure);
}

TEST_F(TcpRelayTest, Fault50_ResetOfTheServerIsNoCleanEndForTheClient) {
  Connect();
  server().Send("half of an ans");
  Pass();
  server().Close(true);
  Pass();
  EXPECT_FALSE(client_.ended);
  EXPECT_TRUE(client_.failure);
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_TRUE(record().failure);
  EXPECT_FALSE(record().reset_after_end);
}

TEST_F(TcpRelayTest, ResetAfterHalfCloseIsPassedOnToo) {
  Connect();
  client_.transport().ShutdownWrite();
  Pass();
  server().Close(true);
  Pass();
  EXPECT_FALSE(client_.ended);
  EXPECT_TRUE(client_.failure);
  EXPECT_TRUE(record().reset_after_end);
}

TEST_F(TcpRelayTest, RefusedConnectResetsTheClient) {
  const SocketAddress nobody = backend_.address();
  backend_.Close();
  PutCluster({nobody});
  Listen();
  Dial();
  EXPECT_TRUE(client_.failure);
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, FailureKind::kConnectRefused);
  EXPECT_EQ(watcher_.opened, 0);
  EXPECT_EQ(limits_->connections.count(), 0u);
}

TEST_F(TcpRelayTest, Fault55_ConnectThatHangsIsGivenUp) {
  cluster_.connect_timeout = milliseconds(500);
  PutCluster({*SocketAddress::Parse("10.9.9.9", 80)});
  Listen();
  Dial();
  EXPECT_TRUE(watcher_.ended.empty());
  Pass(milliseconds(500));
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, FailureKind::kConnectTimeout);
  EXPECT_TRUE(client_.failure);
}

TEST_F(TcpRelayTest, FurtherAttemptsGoToOtherEndpointsAndLoseNoByte) {
  Backend gone(*loop_);
  const SocketAddress nobody = gone.address();
  gone.Close();
  tcp_.max_connect_attempts = 2;
  PutCluster({nobody, backend_.address()});
  Listen();
  // Round robin: two clients, of which one meets the endpoint that is gone first.
  TestEnd other(*loop_);
  for (TestEnd* end : {&client_, &other}) {
    end->on_ready = [end] { end->Send("hello"); };
    end->Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
    Pass();
  }
  ASSERT_EQ(backend_.ends.size(), 2u);
  for (const auto& end : backend_.ends) EXPECT_EQ(end->received.ToString(), "hello");
  EXPECT_TRUE(watcher_.ended.empty());
}

TEST_F(TcpRelayTest, NoClusterAndNoRoomAreTold) {
  cluster_.caps.connections = 1;
  Connect();
  TestEnd second(*loop_);
  second.Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
  second.on_ready = [&] { second.transport().EnableRead(true); };
  Pass();
  EXPECT_TRUE(second.failure);
  EXPECT_EQ(record().failure.kind, upstream::failures::kOverflow);
  tcp_.clusters = {{"unknown", 1}};
  listener_->Update(Spec());
  TestEnd third(*loop_);
  third.Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
  third.on_ready = [&] { third.transport().EnableRead(true); };
  Pass();
  EXPECT_TRUE(third.failure);
  EXPECT_EQ(watcher_.ended.at(1).failure.kind, failures::kNoCluster);
}

// By the roots, names and rules of a push.
class FollowingRelayTest : public TcpRelayTest {
 protected:
  FollowingRelayTest() {
    server_tls_.identity = IdentityOf(ca_.Workload("server"));
    server_tls_.trust = Share(ca_.Bundle());
    client_tls_.identity = IdentityOf(ca_.Workload("client"));
    client_tls_.trust = Share(ca_.Bundle());
    chain_.name = "mesh";
    chain_.key = 1;
    PutCluster({backend_.address()});
    Dress();
    Listen();
  }
  void Dress() { chain_.tls = *tls::SimTransports().NewAcceptor(server_tls_); }
  void Push() {
    Dress();
    listener_->Update(Spec());
    Pass();
  }
  void PushAnother() {
    chain_.name = "another";
    chain_.key = 9;
    tcp_.clusters = {{"elsewhere", 1}};
    Push();
  }
  void DialSecurely() {
    client_.Take((*tls::SimTransports().NewConnector(client_tls_))
                     ->Connect(*loop_, listener_->local_address(), {}));
  }
  static std::shared_ptr<const policy::Authorization> Denying(const std::string& account) {
    policy::RuleSpec peer{policy::RuleSpec::Kind::kAuthenticated};
    peer.string = match::StringSpec{match::StringKind::kExact,
                                    "spiffe://cluster.local/ns/default/sa/" + account};
    policy::AuthorizationSpec spec;
    spec.rules = policy::RulesSpec{policy::Action::kDeny, {{"p", {{}}, {peer}}}};
    return *policy::Authorization::Compile(spec);
  }
  int64_t WallSeconds() const {
    return std::chrono::duration_cast<seconds>(simulation_.WallNow().time_since_epoch()).count();
  }

  TestCa ca_{"cluster.local", 1, WallSeconds(), TestKeys::kSeeded};
  TestCa other_ca_{"cluster.local", 2, WallSeconds(), TestKeys::kSeeded};
  tls::ServerTlsSpec server_tls_;
  tls::ClientTlsSpec client_tls_;
};

TEST_F(FollowingRelayTest, PeerOfARootThatIsGoneIsReset) {
  DialSecurely();
  Pass();
  ASSERT_EQ(watcher_.opened, 1);
  // Renewed, with the new root beside the old one.
  server_tls_.identity = IdentityOf(other_ca_.Workload("server"));
  server_tls_.trust = Share(certs::TrustBundle::OfDomain(
      "cluster.local", {other_ca_.authority().certificate(), ca_.authority().certificate()}));
  Push();
  EXPECT_TRUE(watcher_.ended.empty());
  server_tls_.trust = Share(other_ca_.Bundle());
  Push();
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, FailureKind::kPeerRefused);
  EXPECT_FALSE(client_.ended);
  EXPECT_TRUE(client_.failure);
  EXPECT_TRUE(server().failure);
}

TEST_F(FollowingRelayTest, HandshakeUnderWayIsHeldAgainstTheNewNames) {
  DialSecurely();
  simulation_.RunUntil([&] { return !listener_->connections().idle(); }, seconds(1));
  ASSERT_FALSE(listener_->connections().idle());
  server_tls_.san_matchers = {
      certs::SanMatcher::ExactUri("spiffe://cluster.local/ns/default/sa/other")};
  Push();
  EXPECT_EQ(watcher_.opened, 0);
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, FailureKind::kPeerRefused);
  EXPECT_TRUE(backend_.ends.empty());
}

TEST_F(FollowingRelayTest, RulesOfAPushAreAskedAgain) {
  DialSecurely();
  Pass();
  chain_.key = 2;
  chain_.authorization = {Denying("somebody-else")};
  Push();
  EXPECT_TRUE(watcher_.ended.empty());
  chain_.key = 3;
  chain_.authorization.push_back(Denying("client"));
  Push();
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, failures::kDenied);
  EXPECT_TRUE(client_.failure);
}

TEST_F(FollowingRelayTest, RelaysOutliveTheChainTheyCameByTenMinutes) {
  DialSecurely();
  Pass();
  PushAnother();
  Pass(minutes(9));
  client_.Send("still here");
  Pass();
  EXPECT_EQ(server().received.ToString(), "still here");
  PushAnother();  // which puts nothing off
  Pass(minutes(1));
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().failure.kind, FailureKind::kDraining);
  EXPECT_TRUE(client_.failure);
  EXPECT_TRUE(server().failure);
}

TEST_F(FollowingRelayTest, AChainThatComesBackKeepsItsRelays) {
  DialSecurely();
  Pass();
  const config::FilterChainSpec own = chain_;
  const config::TcpSpec to = tcp_;
  PushAnother();
  Pass(minutes(9));
  chain_ = own;
  tcp_ = to;
  Push();
  Pass(minutes(20));
  EXPECT_TRUE(watcher_.ended.empty());
}

TEST_F(FollowingRelayTest, RelaysOfARemovedListenerEndAfterTenMinutes) {
  DialSecurely();
  Pass();
  listener_->Drain();
  Pass(minutes(9));
  EXPECT_FALSE(listener_->connections().idle());
  Pass(minutes(1));
  EXPECT_TRUE(listener_->connections().idle());
  EXPECT_EQ(record().failure.kind, FailureKind::kDraining);
}

// HTTP/1.1 connections of the same listener.
class FollowingHttpTest : public FollowingRelayTest {
 protected:
  FollowingHttpTest() {
    http_.codec = config::CodecChoice::kHttp1;
    http_.rds_name = "none";
    Serve();
  }
  void Serve() {
    Dress();
    auto chain = std::make_shared<config::FilterChainSpec>(chain_);
    chain->key = key_;
    chain->opening_key = 5;
    chain->proxy = http_;
    auto spec = std::make_shared<config::ListenerSpec>(listener_spec_);
    spec->chains = {std::move(chain)};
    listener_->Update(std::move(spec));
  }
  std::string Get() {
    client_.received.Clear();
    client_.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    Pass();
    return client_.received.ToString();
  }
  void RouteTo(const char* cluster) {
    route::ForwardSpec forward;
    forward.clusters = {{cluster, 1}};
    forward.timeout = {};
    route::RouteSpec route;
    route.action = forward;
    http_.routes = *route::RouteTable::Compile({"r", {{"h", {"*"}, {route}}}});
    Serve();
  }
  // With rules that deny the client.
  void ServeNobody() {
    ++key_;
    http_.authorization = {Denying("client")};
    Serve();
    Pass();
  }
  config::HttpSpec http_;
  uint64_t key_ = 7;
};

TEST_F(FollowingHttpTest, AnIdleConnectionStaysAndItsNextRequestGetsTheNewRules) {
  RouteTo("elsewhere");
  DialSecurely();
  Pass();
  EXPECT_TRUE(Get().starts_with("HTTP/1.1 503 ")) << client_.received.ToString();
  ServeNobody();
  EXPECT_FALSE(client_.ended);
  EXPECT_TRUE(Get().starts_with("HTTP/1.1 403 ")) << client_.received.ToString();
  ++key_;
  http_.authorization.clear();
  Serve();
  Pass();
  EXPECT_TRUE(Get().starts_with("HTTP/1.1 503 ")) << client_.received.ToString();
  EXPECT_FALSE(client_.ended);
}

TEST_F(FollowingHttpTest, AConnectionOnOtherTermsCloses) {
  DialSecurely();
  Pass();
  Get();
  ++key_;
  http_.head_kib = 10;
  Serve();
  Pass();
  EXPECT_TRUE(client_.ended);
}

TEST_F(FollowingHttpTest, AHandshakeUnderWayGetsTheNewRules) {
  RouteTo("elsewhere");
  DialSecurely();
  simulation_.RunUntil([&] { return !listener_->connections().idle(); }, seconds(1));
  ServeNobody();
  EXPECT_TRUE(Get().starts_with("HTTP/1.1 403 ")) << client_.received.ToString();
}

TEST_F(FollowingHttpTest, ARequestUnderWayKeepsItsRulesAndTheNextGetsTheNew) {
  RouteTo("c");
  DialSecurely();
  Pass();
  ASSERT_EQ(Get() + Get(), "") << "the second waits in the connection";
  ServeNobody();
  ASSERT_EQ(client_.received.ToString(), "");
  server().Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  Pass();
  const std::string answers = client_.received.ToString();
  EXPECT_TRUE(answers.starts_with("HTTP/1.1 200 ")) << answers;
  EXPECT_NE(answers.find("HTTP/1.1 403 "), std::string::npos) << answers;
  EXPECT_FALSE(client_.ended);
}

TEST_F(FollowingHttpTest, IdleConnectionOfARefusedPeerCloses) {
  DialSecurely();
  Pass();
  const std::string answer = Get();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 ")) << answer;
  server_tls_.identity = IdentityOf(ca_.Workload("server"));
  Serve();
  Pass();
  EXPECT_FALSE(client_.ended);
  EXPECT_TRUE(Get().starts_with(answer.substr(0, answer.find('\r'))));
  server_tls_.trust = Share(other_ca_.Bundle());
  Serve();
  Pass();
  EXPECT_TRUE(client_.ended);
}

TEST_F(FollowingHttpTest, HandshakeUnderWayIsHeldAgainstTheNewRoots) {
  DialSecurely();
  simulation_.RunUntil([&] { return !listener_->connections().idle(); }, seconds(1));
  server_tls_.trust = Share(other_ca_.Bundle());
  Serve();
  Pass();
  EXPECT_TRUE(client_.ended || client_.failure);
  EXPECT_TRUE(listener_->connections().idle());
}

TEST_F(FollowingHttpTest, RequestThatNobodyAnswersEndsTenMinutesAfterItsChain) {
  http_.stream_idle_timeout = {};
  RouteTo("c");
  DialSecurely();
  Pass();
  ASSERT_EQ(Get(), "");
  PushAnother();
  Pass(minutes(9));
  EXPECT_FALSE(listener_->connections().idle());
  Pass(minutes(1));
  EXPECT_TRUE(listener_->connections().idle());
  EXPECT_TRUE(client_.ended || client_.failure);
}

}  // namespace
}  // namespace tulle::proxy
