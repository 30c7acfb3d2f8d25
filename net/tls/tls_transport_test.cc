#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "net/loop/uv/uv_loop.h"
#include "net/socket/plain_transport.h"
#include "net/socket/transports.h"
#include "net/tls/peer_revalidation.h"
#include "net/tls/testing/secure_pair.h"
#include "net/tls/tls_names.h"
#include "net/tls/tls_transports.h"

namespace tulle::tls {
namespace {

using certs::testing::BadLeaf;
using certs::testing::TestCa;
using testing::Echo;
using testing::IdentityOf;
using testing::SecureServer;
using testing::Share;
using testing::TestEnd;

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class TlsTransportTest : public ::testing::Test {
 protected:
  ServerTlsSpec ServerSpec() {
    ServerTlsSpec spec;
    spec.identity = IdentityOf(ca_.Workload("server", "default", {}, "app=server,version=v2"));
    spec.trust = Share(ca_.Bundle());
    spec.alpn = {"h2", "http/1.1"};
    return spec;
  }
  ClientTlsSpec ClientSpec() {
    ClientTlsSpec spec;
    spec.identity = IdentityOf(ca_.Workload("client"));
    spec.trust = Share(ca_.Bundle());
    spec.alpn = {"istio-h2", "h2"};
    spec.sni = "outbound_.80_._.server.default";
    return spec;
  }

  // Runs one handshake and exchanges a byte, until both sides know the result.
  void Meet(ServerTlsSpec server_spec, ClientTlsSpec client_spec) {
    auto acceptor = TlsTransports().NewAcceptor(std::move(server_spec));
    auto connector = TlsTransports().NewConnector(std::move(client_spec));
    ASSERT_TRUE(acceptor.ok()) << acceptor.status();
    ASSERT_TRUE(connector.ok()) << connector.status();
    server_.emplace(*loop_, *acceptor);
    server_->on_accept = [this](TestEnd& end) {
      end.on_ready = [&end] {
        end.transport().EnableRead(true);
        end.Send("s");
      };
      end.on_read = [this](ReadResult) { StopIfDone(); };
      end.on_failed = [this] { StopIfDone(); };
    };
    client_.on_ready = [this] {
      client_.transport().EnableRead(true);
      client_.Send("c");
    };
    client_.on_read = [this](ReadResult) { StopIfDone(); };
    client_.on_failed = [this] { StopIfDone(); };
    client_.Take((*connector)->Connect(*loop_, server_->address(), {}));
    loop_->Run();
  }
  void StopIfDone() {
    if (server_->ends.empty()) return;
    const auto done = [](TestEnd& end) { return end.failure || !end.received.empty(); };
    // A side that failed is closed by its owner, which the other side then sees.
    if (server_end().failure) server_end().Close(false);
    if (client_.failure) client_.Close(false);
    if (done(server_end()) && done(client_)) loop_->Stop();
  }
  TestEnd& server_end() { return *server_->ends.front(); }

  TestCa ca_{"cluster.local", 1, Now()};
  std::unique_ptr<loop::Loop> loop_ = loop::NewUvLoop();
  std::optional<SecureServer> server_;
  TestEnd client_{*loop_};
};

TEST_F(TlsTransportTest, BothSidesKnowEachOther) {
  Meet(ServerSpec(), ClientSpec());
  ASSERT_TRUE(client_.ready && server_end().ready);
  EXPECT_EQ(client_.received.ToString(), "s");
  EXPECT_EQ(server_end().received.ToString(), "c");
  Transport& server = server_end().transport();
  Transport& client = client_.transport();
  EXPECT_TRUE(server.is_tls());
  EXPECT_EQ(server.peer()->spiffe_id, "spiffe://cluster.local/ns/default/sa/client");
  EXPECT_EQ(client.peer()->spiffe_id, "spiffe://cluster.local/ns/default/sa/server");
  EXPECT_EQ(server.peer()->certificate_sha256.size(), 64u);
  const ClientTlsSpec client_spec = ClientSpec();
  const certs::Certificate& presented = client_spec.identity->chain.front();
  EXPECT_EQ(server.peer()->issuer, presented.issuer());
  EXPECT_EQ(server.peer()->serial.empty(), false);
  EXPECT_LE(server.peer()->not_before, Now());
  EXPECT_EQ(server.peer()->labels, "");
  EXPECT_EQ(client.peer()->labels, "app=server,version=v2");
  EXPECT_GT(server.peer()->not_after, Now());
  for (const Transport* end : {&server, &client}) {
    EXPECT_EQ(VersionName(end->tls_terms()), "TLSv1.3");
    EXPECT_TRUE(CipherName(end->tls_terms()).starts_with("TLS_")) << CipherName(end->tls_terms());
  }
  EXPECT_EQ(server.tls_terms().cipher, client.tls_terms().cipher);
  EXPECT_EQ(server.alpn(), "h2");
  EXPECT_EQ(client.alpn(), "h2");
  EXPECT_EQ(server.sni(), "outbound_.80_._.server.default");
  EXPECT_EQ(client.sni(), "outbound_.80_._.server.default");
  EXPECT_TRUE(client.IsQuiet());
}

TEST_F(TlsTransportTest, PeersCanBeRevalidatedByTheirChain) {
  const TestCa other("cluster.local", 2, Now());
  const auto server = ServerSpec();
  const auto client = ClientSpec();
  Meet(server, client);
  const auto& chain = server.identity->chain;
  ASSERT_EQ(client_.transport().peer_chain().size(), chain.size());
  EXPECT_EQ(client_.transport().peer_chain().front(), chain.front().der());
  EXPECT_EQ(server_end().transport().peer_chain().front(), client.identity->chain.front().der());
  PeerRequirements of_client = RequirementsOf(server), of_server = RequirementsOf(client);
  PeerRevalidation revalidation(*loop_);
  EXPECT_TRUE(revalidation.Passes(server_end().transport(), of_client));
  EXPECT_TRUE(revalidation.Passes(client_.transport(), of_server));
  PeerRequirements foreign = of_client, named = of_server, blind = foreign;
  foreign.trust = Share(other.Bundle());
  EXPECT_FALSE(revalidation.Passes(server_end().transport(), foreign));
  named.san_matchers = {certs::SanMatcher::ExactUri("spiffe://cluster.local/ns/default/sa/x")};
  EXPECT_FALSE(revalidation.Passes(client_.transport(), named));
  blind.trust = nullptr;
  EXPECT_TRUE(revalidation.Passes(server_end().transport(), blind));
}

TEST_F(TlsTransportTest, PeerWithoutACertificateIsAcceptedIfOptional) {
  ServerTlsSpec server = ServerSpec();
  server.require_client_certificate = false;
  ClientTlsSpec client = ClientSpec();
  client.identity = nullptr;
  Meet(server, client);
  ASSERT_TRUE(server_end().ready);
  const PeerRequirements lax = RequirementsOf(server);
  PeerRequirements strict = lax;
  strict.require_certificate = true;
  PeerRevalidation revalidation(*loop_);
  EXPECT_TRUE(revalidation.Passes(server_end().transport(), lax));
  EXPECT_FALSE(revalidation.Passes(server_end().transport(), strict));
}

TEST_F(TlsTransportTest, AlpnFollowsTheServersOrder) {
  ClientTlsSpec client = ClientSpec();
  client.alpn = {"http/1.1", "h2"};
  Meet(ServerSpec(), client);
  EXPECT_EQ(client_.transport().alpn(), "h2");
}

TEST_F(TlsTransportTest, IstioAlpnIsSelectedOnlyIfListed) {
  ClientTlsSpec client = ClientSpec();
  client.alpn = {"istio"};
  Meet(ServerSpec(), client);
  EXPECT_TRUE(client_.ready);
  EXPECT_EQ(client_.transport().alpn(), "");
}

TEST_F(TlsTransportTest, AnonymousClientsAreAcceptedIfOptional) {
  ServerTlsSpec server = ServerSpec();
  server.require_client_certificate = false;
  ClientTlsSpec client = ClientSpec();
  client.identity = nullptr;
  Meet(server, client);
  ASSERT_TRUE(server_end().ready);
  EXPECT_EQ(server_end().transport().peer(), nullptr);
}

TEST_F(TlsTransportTest, Fault34_NoClientCertificateIsRefused) {
  ClientTlsSpec client = ClientSpec();
  client.identity = nullptr;
  Meet(ServerSpec(), client);
  EXPECT_FALSE(server_end().ready);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kPeerRefused);
  // TLS 1.3: the client learns it after its handshake.
  EXPECT_TRUE(client_.ready);
  EXPECT_EQ(client_.failure.kind, FailureKind::kTlsFailed);
  EXPECT_NE(std::string(client_.failure.detail).find("rejected our certificate"),
            std::string::npos);
}

class BadCertificates : public TlsTransportTest, public ::testing::WithParamInterface<BadLeaf> {};

TEST_P(BadCertificates, Fault34_Fault35_Fault36_Fault37_BadClientIsRefused) {
  ClientTlsSpec client = ClientSpec();
  client.identity = IdentityOf(ca_.Bad(GetParam()));
  Meet(ServerSpec(), client);
  EXPECT_FALSE(server_end().ready);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kPeerRefused);
  EXPECT_TRUE(client_.received.empty());
  EXPECT_EQ(client_.failure.kind, FailureKind::kTlsFailed);
}

TEST_P(BadCertificates, Fault34_Fault35_Fault36_Fault37_BadServerIsRefused) {
  ServerTlsSpec server = ServerSpec();
  server.identity = IdentityOf(ca_.Bad(GetParam()));
  Meet(server, ClientSpec());
  EXPECT_FALSE(client_.ready);
  EXPECT_EQ(client_.failure.kind, FailureKind::kPeerRefused);
  EXPECT_FALSE(server_end().ready);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kTlsFailed);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BadCertificates,
    ::testing::Values(BadLeaf::kExpired, BadLeaf::kNotYetValid, BadLeaf::kTwoUriSans,
                      BadLeaf::kNoUriSan, BadLeaf::kUpperCaseScheme, BadLeaf::kDotDotSegment,
                      BadLeaf::kPercentEncoding, BadLeaf::kQuery, BadLeaf::kPort,
                      BadLeaf::kUserInfo, BadLeaf::kFragment, BadLeaf::kEmptyPath,
                      BadLeaf::kOtherTrustDomain, BadLeaf::kPrefixDomain, BadLeaf::kIsAuthority,
                      BadLeaf::kMayCertSign, BadLeaf::kServerAuthOnly, BadLeaf::kSelfSigned));

TEST_F(TlsTransportTest, Fault35_OtherCaIsRefused) {
  TestCa other("cluster.local", 2, Now());
  ClientTlsSpec client = ClientSpec();
  client.identity = IdentityOf(other.Workload("client"));
  Meet(ServerSpec(), client);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kPeerRefused);
}

TEST_F(TlsTransportTest, Fault35_ServerWithAnotherNameIsRefused) {
  ClientTlsSpec client = ClientSpec();
  client.san_matchers = {certs::SanMatcher::ExactUri("spiffe://cluster.local/ns/default/sa/other")};
  Meet(ServerSpec(), client);
  EXPECT_EQ(client_.failure.kind, FailureKind::kPeerRefused);
}

TEST_F(TlsTransportTest, Fault37_KeyMismatchIsRefusedAtSetUp) {
  ServerTlsSpec server = ServerSpec();
  server.identity = IdentityOf(ca_.Bad(BadLeaf::kKeyMismatch));
  EXPECT_FALSE(TlsTransports().NewAcceptor(server).ok());
}

TEST_F(TlsTransportTest, Fault33_OldVersionsAreRefused) {
  ClientTlsSpec client = ClientSpec();
  client.min_version = client.max_version = TlsVersion::k12;
  Meet(ServerSpec(), client);
  EXPECT_EQ(server_end().failure.kind, FailureKind::kTlsFailed);
  EXPECT_EQ(client_.failure.kind, FailureKind::kTlsFailed);
}

TEST_F(TlsTransportTest, Tls12WorksWhereAllowed) {
  ServerTlsSpec server = ServerSpec();
  server.min_version = TlsVersion::k12;
  ClientTlsSpec client = ClientSpec();
  client.min_version = client.max_version = TlsVersion::k12;
  Meet(server, client);
  EXPECT_EQ(client_.received.ToString(), "s");
}

TEST_F(TlsTransportTest, WebServerIsVerifiedByItsHostName) {
  ServerTlsSpec server;
  server.identity = IdentityOf(ca_.WebServer("shop.example"));
  ClientTlsSpec client;
  client.trust = Share(ca_.AnyDomainBundle());
  client.require_spiffe = false;
  client.san_matchers = {certs::SanMatcher::ExactDns("shop.example")};
  Meet(server, client);
  ASSERT_TRUE(client_.ready);
  EXPECT_EQ(client_.transport().peer()->spiffe_id, "");
  EXPECT_EQ(client_.transport().peer()->subject, "CN=shop.example");
}

class EchoTest : public TlsTransportTest {
 protected:
  void Start() {
    server_.emplace(*loop_, *TlsTransports().NewAcceptor(ServerSpec()));
    server_->on_accept = Echo;
    connector_ = *TlsTransports().NewConnector(ClientSpec());
    client_.on_failed = [this] {
      ADD_FAILURE() << client_.failure.detail;
      loop_->Stop();
    };
    client_.on_read = [this](ReadResult) {
      if (client_.ended) loop_->Stop();
    };
  }
  void Connect() { client_.Take(connector_->Connect(*loop_, server_->address(), {})); }

  std::shared_ptr<const SecureConnector> connector_;
};

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  uint32_t state = 1;
  for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

TEST_F(EchoTest, LargeTransfersBothWaysWithBackPressureAndHalfClose) {
  Start();
  const std::string body = Pattern(8 << 20);
  client_.on_ready = [&] {
    client_.transport().EnableRead(true);
    client_.Send(body);
    if (client_.pending.empty()) client_.transport().ShutdownWrite();
  };
  client_.on_writable = [&] {
    if (client_.pending.empty()) client_.transport().ShutdownWrite();
  };
  Connect();
  loop_->Run();
  EXPECT_TRUE(client_.ended);
  EXPECT_GT(client_.writables, 0);
  EXPECT_EQ(client_.received.size(), body.size());
  EXPECT_TRUE(client_.received.ToString() == body);
  EXPECT_EQ(client_.transport().bytes_written(), body.size());
}

// An HTTP/1 server may close as soon as its output buffer is empty.
TEST_F(EchoTest, AnEmptyBufferMeansThatTheKernelHasItAll) {
  Start();
  // More than both kernel buffers may grow to (tcp_wmem, tcp_rmem).
  const std::string body = Pattern(32 << 20);
  const auto close_if_done = [&] {
    if (!client_.pending.empty()) return;
    EXPECT_EQ(client_.transport().bytes_written(), body.size());
    client_.Close(false);
  };
  client_.on_ready = [&] {
    client_.Send(body);
    EXPECT_LT(client_.transport().bytes_written(), body.size());
    EXPECT_EQ(client_.transport().bytes_written() + client_.pending.size(), body.size());
    close_if_done();
  };
  client_.on_writable = close_if_done;
  // The reader ends or fails after everything has arrived.
  server_->on_accept = [this](TestEnd& end) {
    end.on_ready = [&end] { end.transport().EnableRead(true); };
    end.on_read = [this, &end](ReadResult) {
      if (end.ended) loop_->Stop();
    };
    end.on_failed = [this] { loop_->Stop(); };
  };
  Connect();
  loop_->Run();
  EXPECT_TRUE(server_end().received.ToString() == body);
}

TEST_F(EchoTest, OneByteWritesAndOneByteReads) {
  Start();
  const std::string body = Pattern(500);
  client_.read_limit = 1;
  client_.on_ready = [&] {
    client_.transport().EnableRead(true);
    for (const char c : body) client_.Send(std::string_view(&c, 1));
    client_.transport().ShutdownWrite();
  };
  Connect();
  loop_->Run();
  EXPECT_EQ(client_.received.ToString(), body);
  EXPECT_TRUE(client_.ended);
}

TEST_F(EchoTest, ReadingResumesFromWhatWasDecryptedBefore) {
  Start();
  client_.read_limit = 10;
  client_.on_ready = [&] {
    client_.transport().EnableRead(true);
    client_.Send("0123456789abcdefghij");
  };
  client_.on_read = [&](ReadResult result) {
    client_.transport().EnableRead(false);
    if (client_.received.size() == 20) return loop_->Stop();
    ASSERT_EQ(result.bytes, 10u);
    EXPECT_FALSE(client_.transport().IsQuiet());
    // Nothing more comes from the socket: buffered data must be reported anyway.
    loop_->Post([&] { client_.transport().EnableRead(true); });
  };
  Connect();
  loop_->Run();
  EXPECT_EQ(client_.received.ToString(), "0123456789abcdefghij");
}

// A plain client against a TLS port: what it sends, and whether it then closes.
class RefusedBytes : public TlsTransportTest {
 protected:
  void Send(const std::string& bytes, bool finish) {
    ServerTlsSpec spec = ServerSpec();
    spec.handshake_timeout = std::chrono::milliseconds(50);
    server_.emplace(*loop_, *TlsTransports().NewAcceptor(spec));
    server_->on_accept = [this](TestEnd& end) { end.on_failed = [this] { loop_->Stop(); }; };
    client_.on_ready = [this, bytes, finish] {
      client_.Send(bytes);
      if (finish) client_.transport().ShutdownWrite();
    };
    client_.Take(PlainConnector().Connect(*loop_, server_->address(), {}));
    loop_->Run();
    EXPECT_FALSE(server_end().ready);
    EXPECT_EQ(server_end().failure.kind, FailureKind::kTlsFailed);
  }
};

TEST_F(RefusedBytes, Fault32_Garbage) { Send(Pattern(1000), false); }

TEST_F(RefusedBytes, Fault32_PlaintextOnATlsPort) {
  Send("GET / HTTP/1.1\r\nhost: a\r\n\r\n", false);
  EXPECT_NE(std::string(server_end().failure.detail).find("does not speak TLS"), std::string::npos);
}

TEST_F(RefusedBytes, Fault32_TruncatedClientHello) {
  Send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9), true);
}

TEST_F(RefusedBytes, Fault32_SilenceRunsIntoTheTimeLimit) {
  Send("", false);
  EXPECT_NE(std::string(server_end().failure.detail).find("handshake timeout"), std::string::npos);
}

TEST_F(TlsTransportTest, Fault32_TlsAgainstAPlaintextPort) {
  loop::ListenerEvents* events = nullptr;
  struct PlainServer : loop::ListenerEvents {
    explicit PlainServer(loop::Loop& l) : loop(l), end(l) {}
    void OnAccept(std::unique_ptr<loop::Socket> socket) override {
      end.Take(PlainAcceptor().Accept(loop, std::move(socket)));
      end.on_ready = [this] { end.Send("HTTP/1.1 400 Bad Request\r\n\r\n"); };
    }
    loop::Loop& loop;
    TestEnd end;
  } plain(*loop_);
  events = &plain;
  int error = 0;
  auto listener = loop_->Listen(SocketAddress::Loopback4(0), {}, *events, &error);
  auto connector = *TlsTransports().NewConnector(ClientSpec());
  client_.on_failed = [this] { loop_->Stop(); };
  client_.Take(connector->Connect(*loop_, listener->LocalAddress(), {}));
  loop_->Run();
  EXPECT_FALSE(client_.ready);
  EXPECT_EQ(client_.failure.kind, FailureKind::kTlsFailed);
}

TEST_F(EchoTest, CutWithoutCloseNotifyIsAFailure) {
  Start();
  client_.on_ready = [&] { client_.transport().EnableRead(true); };
  client_.on_failed = [&] { loop_->Stop(); };
  server_->on_accept = [&](TestEnd& end) { end.on_ready = [&] { end.Close(true); }; };
  Connect();
  loop_->Run();
  EXPECT_FALSE(client_.ended);
  EXPECT_EQ(client_.failure.kind, FailureKind::kUpstreamReset);
}

TEST_F(EchoTest, RefusedConnectIsReported) {
  Start();
  const SocketAddress gone = server_->address();
  server_.reset();
  client_.on_failed = [&] { loop_->Stop(); };
  client_.Take(connector_->Connect(*loop_, gone, {}));
  loop_->Run();
  EXPECT_EQ(client_.failure.kind, FailureKind::kConnectRefused);
}

}  // namespace
}  // namespace tulle::tls
