// Against another TLS stack: Python's ssl, that is OpenSSL.
#include <gtest/gtest.h>
#include <stdio.h>

#include <chrono>
#include <fstream>
#include <string>

#include "net/loop/uv/uv_loop.h"
#include "net/tls/testing/secure_pair.h"
#include "net/tls/tls_transports.h"

namespace tulle::tls {
namespace {

using testing::IdentityOf;
using testing::Share;

constexpr char kClient[] = R"(
import socket, ssl, sys
folder, port, with_certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'yes'
tls = ssl.create_default_context(cafile=folder + '/ca.pem')
tls.check_hostname = False
tls.set_alpn_protocols(['http/1.1', 'h2'])
if with_certificate:
    tls.load_cert_chain(folder + '/peer.pem', folder + '/peer.key')
with tls.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='a.b') as s:
    body = bytes(range(256)) * 4096
    try:
        s.sendall(body[:1000])
        got = b''
        while len(got) < 1000:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
        print(s.version(), s.selected_alpn_protocol(), got == body[:1000])
        s.unwrap()
    except (ssl.SSLError, ConnectionError) as error:
        print('refused', error)
)";

constexpr char kServer[] = R"(
import socket, ssl, sys
folder = sys.argv[1]
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(folder + '/peer.pem', folder + '/peer.key')
tls.load_verify_locations(folder + '/ca.pem')
tls.verify_mode = ssl.CERT_REQUIRED
tls.set_alpn_protocols(['h2'])
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
s = tls.wrap_socket(listener.accept()[0], server_side=True, suppress_ragged_eofs=False)
total = 0
while total < 1 << 20:
    piece = s.recv(65536)
    total += len(piece)
    s.sendall(piece)
print(s.getpeercert()['subjectAltName'], s.version())
s.unwrap()
)";

// A Python program that runs during the test.
class Python {
 public:
  Python(const std::string& folder, const char* script, const std::string& arguments) {
    std::ofstream(folder + "/script.py") << script;
    const std::string command =
        "/usr/bin/python3 " + folder + "/script.py " + folder + " " + arguments + " 2>&1";
    pipe_ = popen(command.c_str(), "r");
  }
  ~Python() { pclose(pipe_); }
  std::string Line() {
    char line[1000];
    return fgets(line, sizeof(line), pipe_) == nullptr ? "" : line;
  }

 private:
  FILE* pipe_;
};

class InteropTest : public ::testing::Test {
 protected:
  InteropTest() {
    const auto peer = ca_.Workload("python");
    std::ofstream(folder_ + "/ca.pem") << ca_.authority().certificate().ToPem();
    std::ofstream(folder_ + "/peer.pem") << peer.ChainPem();
    std::ofstream(folder_ + "/peer.key") << peer.key.ToPem();
  }
  static int64_t Now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  // Runs our server for one client; returns what the client prints.
  std::string ServeOne(const std::string& with_certificate) {
    ServerTlsSpec spec;
    spec.identity = IdentityOf(ca_.Workload("server"));
    spec.trust = Share(ca_.Bundle());
    spec.alpn = {"h2", "http/1.1"};
    testing::SecureServer server(*loop_, *TlsTransports().NewAcceptor(std::move(spec)));
    server.on_accept = [this](testing::TestEnd& end) {
      testing::Echo(end);
      end.on_failed = [this, &end] {
        failure_ = end.failure;
        end.Close(false);
        loop_->Stop();
      };
      const auto echo = end.on_read;
      end.on_read = [this, &end, echo](ReadResult result) {
        echo(result);
        if (!end.ended) return;
        client_id_ = end.transport().peer()->spiffe_id;
        loop_->Stop();
      };
    };
    Python client(folder_, kClient,
                  std::to_string(server.address().port()) + " " + with_certificate);
    loop_->Run();
    return client.Line();
  }

  certs::testing::TestCa ca_{"cluster.local", 1, Now()};
  const std::string folder_ = ::testing::TempDir();
  std::unique_ptr<loop::Loop> loop_ = loop::NewUvLoop();
  std::string client_id_;
  Failure failure_;
};

TEST_F(InteropTest, PythonClientIsServed) {
  EXPECT_EQ(ServeOne("yes"), "TLSv1.3 h2 True\n");
  EXPECT_EQ(client_id_, "spiffe://cluster.local/ns/default/sa/python");
  EXPECT_FALSE(failure_) << failure_.detail;
}

TEST_F(InteropTest, Fault34_PythonClientWithoutCertificateGetsAnAlert) {
  const std::string said = ServeOne("no");
  EXPECT_NE(said.find("refused"), std::string::npos) << said;
  EXPECT_NE(said.find("certificate required"), std::string::npos) << said;
  EXPECT_EQ(failure_.kind, FailureKind::kPeerRefused);
}

TEST_F(InteropTest, PythonServerServesUs) {
  ClientTlsSpec spec;
  spec.identity = IdentityOf(ca_.Workload("client"));
  spec.trust = Share(ca_.Bundle());
  spec.alpn = {"istio-h2", "h2"};
  Python server(folder_, kServer, "");
  const int port = std::atoi(server.Line().c_str());
  testing::TestEnd client(*loop_);
  client.on_ready = [&] {
    client.transport().EnableRead(true);
    client.Send(std::string(1 << 20, 'x'));
  };
  client.on_failed = [&] { loop_->Stop(); };
  client.Take((*TlsTransports().NewConnector(std::move(spec)))
                  ->Connect(*loop_, SocketAddress::Loopback4(static_cast<uint16_t>(port)), {}));
  // Python's unwrap waits for our close_notify, which follows the last byte of the echo.
  client.on_read = [&](ReadResult) {
    if (client.received.size() == 1 << 20) client.transport().ShutdownWrite();
    if (client.ended) loop_->Stop();
  };
  loop_->Run();
  EXPECT_FALSE(client.failure) << client.failure.detail;
  EXPECT_EQ(client.received.size(), 1u << 20);
  EXPECT_EQ(client.transport().alpn(), "h2");
  EXPECT_EQ(server.Line(), "(('URI', 'spiffe://cluster.local/ns/default/sa/client'),) TLSv1.3\n");
}

}  // namespace
}  // namespace tulle::tls
