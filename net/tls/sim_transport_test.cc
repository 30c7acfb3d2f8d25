#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "net/loop/sim/simulation.h"
#include "net/tls/sim_transports.h"
#include "net/tls/testing/secure_pair.h"

namespace tulle::tls {
namespace {

using certs::testing::BadLeaf;
using certs::testing::TestCa;
using certs::testing::TestKeys;
using testing::Echo;
using testing::IdentityOf;
using testing::SecureServer;
using testing::Share;
using testing::TestEnd;

// A world of one process that connects to itself over loopback.
class SimTransportTest : public ::testing::Test {
 protected:
  int64_t WallSeconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(
               simulation_.WallNow().time_since_epoch())
        .count();
  }
  ServerTlsSpec ServerSpec() {
    ServerTlsSpec spec;
    spec.identity = IdentityOf(ca_.Workload("server"));
    spec.trust = Share(ca_.Bundle());
    spec.alpn = {"h2", "http/1.1"};
    return spec;
  }
  ClientTlsSpec ClientSpec() {
    ClientTlsSpec spec;
    spec.identity = IdentityOf(ca_.Workload("client"));
    spec.trust = Share(ca_.Bundle());
    spec.alpn = {"istio-h2", "h2"};
    spec.sni = "server.default";
    return spec;
  }
  // A client that sends `text`, ends, and receives the echo.
  void Exchange(ServerTlsSpec server_spec, ClientTlsSpec client_spec, const std::string& text) {
    server_.emplace(*loop_, *SimTransports().NewAcceptor(std::move(server_spec)));
    server_->on_accept = Echo;
    client_.on_ready = [this, text] {
      client_.transport().EnableRead(true);
      client_.Send(text);
      if (client_.pending.empty()) client_.transport().ShutdownWrite();
    };
    client_.on_writable = [this] {
      if (client_.pending.empty()) client_.transport().ShutdownWrite();
    };
    client_.Take((*SimTransports().NewConnector(std::move(client_spec)))
                     ->Connect(*loop_, server_->address(), {}));
    simulation_.RunFor(std::chrono::seconds(60));
  }
  TestEnd& server_end() { return *server_->ends.front(); }

  sim::Simulation simulation_{7};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  TestCa ca_{"cluster.local", 1, WallSeconds(), TestKeys::kSeeded};
  std::optional<SecureServer> server_;
  TestEnd client_{*loop_};
};

TEST_F(SimTransportTest, LooksLikeTlsToBothSides) {
  Exchange(ServerSpec(), ClientSpec(), "hello");
  EXPECT_EQ(client_.received.ToString(), "hello");
  EXPECT_TRUE(client_.ended);
  EXPECT_EQ(client_.transport().alpn(), "h2");
  EXPECT_EQ(client_.transport().bytes_written(), 5u);
  EXPECT_EQ(client_.transport().peer()->spiffe_id, "spiffe://cluster.local/ns/default/sa/server");
  Transport& server = server_end().transport();
  EXPECT_TRUE(server.is_tls());
  EXPECT_EQ(server.alpn(), "h2");
  EXPECT_EQ(server.sni(), "server.default");
  EXPECT_EQ(server.peer()->spiffe_id, "spiffe://cluster.local/ns/default/sa/client");
}

TEST_F(SimTransportTest, CarriesALotWithBackPressure) {
  const std::string body(1 << 20, 'x');
  Exchange(ServerSpec(), ClientSpec(), body);
  EXPECT_TRUE(client_.received.ToString() == body);
  EXPECT_TRUE(client_.ended);
}

TEST_F(SimTransportTest, Fault34_BadClientLearnsItAfterItsHandshake) {
  ClientTlsSpec client = ClientSpec();
  client.identity = IdentityOf(ca_.Bad(BadLeaf::kExpired));
  Exchange(ServerSpec(), client, "hello");
  EXPECT_FALSE(server_end().ready);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kPeerRefused);
  EXPECT_TRUE(client_.ready);
  EXPECT_EQ(client_.failure.kind, FailureKind::kTlsFailed);
  EXPECT_TRUE(client_.received.empty());
}

TEST_F(SimTransportTest, Fault34_NoCertificateIsRefusedUnlessOptional) {
  ClientTlsSpec client = ClientSpec();
  client.identity = nullptr;
  Exchange(ServerSpec(), client, "hello");
  EXPECT_EQ(server_end().failure.kind, FailureKind::kPeerRefused);
}

TEST_F(SimTransportTest, AnonymousClientsAreAcceptedIfOptional) {
  ServerTlsSpec server = ServerSpec();
  server.require_client_certificate = false;
  ClientTlsSpec client = ClientSpec();
  client.identity = nullptr;
  Exchange(server, client, "hello");
  EXPECT_EQ(client_.received.ToString(), "hello");
  EXPECT_EQ(server_end().transport().peer(), nullptr);
}

TEST_F(SimTransportTest, Fault36_BadServerIsRefused) {
  ServerTlsSpec server = ServerSpec();
  server.identity = IdentityOf(ca_.Bad(BadLeaf::kTwoUriSans));
  Exchange(server, ClientSpec(), "hello");
  EXPECT_FALSE(client_.ready);
  EXPECT_EQ(client_.failure.kind, FailureKind::kPeerRefused);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kTlsFailed);
}

TEST_F(SimTransportTest, CertificatesExpireByTheVirtualClock) {
  const ServerTlsSpec server = ServerSpec();
  const ClientTlsSpec client = ClientSpec();
  simulation_.ShiftWallClock(std::chrono::hours(25));
  Exchange(server, client, "hello");
  EXPECT_EQ(client_.failure.kind, FailureKind::kPeerRefused);
}

TEST_F(SimTransportTest, Fault32_SilentServerRunsIntoTheTimeLimit) {
  struct Silent : loop::ListenerEvents {
    void OnAccept(std::unique_ptr<loop::Socket> socket) override { held = std::move(socket); }
    std::unique_ptr<loop::Socket> held;
  } silent;
  int error = 0;
  auto listener = loop_->Listen(SocketAddress::Loopback4(0), {}, silent, &error);
  client_.Take(
      (*SimTransports().NewConnector(ClientSpec()))->Connect(*loop_, listener->LocalAddress(), {}));
  simulation_.RunFor(std::chrono::seconds(9));
  EXPECT_FALSE(client_.failure);
  simulation_.RunFor(std::chrono::seconds(2));
  EXPECT_EQ(client_.failure.kind, FailureKind::kTlsFailed);
}

// Real and simulated TLS must refuse the same configurations.
TEST_F(SimTransportTest, Fault37_KeyMismatchIsRefusedAtSetUp) {
  ServerTlsSpec server = ServerSpec();
  server.identity = IdentityOf(ca_.Bad(BadLeaf::kKeyMismatch));
  EXPECT_FALSE(SimTransports().NewAcceptor(server).ok());
}

}  // namespace
}  // namespace tulle::tls
