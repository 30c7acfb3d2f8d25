#include "control-plane/cli/https_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <string_view>
#include <thread>

#include "certs/authority.h"
#include "certs/private_key.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// A TCP port of this host that nothing accepts on yet.
class Port {
 public:
  Port() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_, generic, length), 0);
    EXPECT_EQ(getsockname(listener_, generic, &length), 0);
    number_ = ntohs(address.sin_port);
  }
  ~Port() { close(listener_); }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(number_); }
  int listener() const { return listener_; }

 private:
  const int listener_;
  uint16_t number_ = 0;
};

class HttpsClientTest : public testing::Test {
 protected:
  std::string ErrorFrom(const std::string& server) {
    certs::SystemKeySource keys;
    const auto root = certs::Authority::CreateRoot("cluster.local", keys, 1'700'000'000);
    Destination destination;
    destination.server = server;
    destination.ca_pem = root->certificate().ToPem();
    const auto reply = NewHttpsClient(destination)->Send({.method = "GET", .path = "/v1/version"});
    return ErrorOf(reply.status());
  }
};

TEST_F(HttpsClientTest, SaysThatAConnectionIsRefused) {
  const Port port;
  EXPECT_EQ(ErrorFrom(port.url()), "cannot connect to " + port.url() + ": connection refused");
}

TEST_F(HttpsClientTest, SaysThatAPortDoesNotSpeakTls) {
  const Port port;
  ASSERT_EQ(listen(port.listener(), 1), 0);
  std::thread server([&port] {
    const int peer = accept(port.listener(), nullptr, nullptr);
    char hello[4096];
    EXPECT_GT(read(peer, hello, sizeof hello), 0);
    constexpr std::string_view kReply = "HTTP/1.1 400 Bad Request\r\n\r\n";
    EXPECT_EQ(write(peer, kReply.data(), kReply.size()), kReply.size());
    close(peer);
  });
  EXPECT_EQ(ErrorFrom(port.url()), "TLS handshake with " + port.url() +
                                       " failed: the peer does not speak TLS on this port");
  server.join();
}

TEST_F(HttpsClientTest, SaysOnceThatAHostIsUnknown) {
  const std::string error = ErrorFrom("https://nosuch.invalid:15016");
  EXPECT_EQ(error.find("cannot resolve host name 'nosuch.invalid': "), 0) << error;
  EXPECT_EQ(error.find("check"), std::string::npos) << error;
}

TEST(ExplainFailure, SaysEachReasonOnceWithTheNextStep) {
  const auto text = [](const Failure& failure) {
    Destination destination;
    destination.server = "https://a:1";
    destination.ca_source = "ca.pem";
    std::ostringstream out;
    PrintError(ExplainFailure(failure, destination), false, out);
    return out.str();
  };
  EXPECT_EQ(text({FailureKind::kPeerRefused, "signed by an unknown CA: compare the bundles"}),
            "error: cannot verify https://a:1: signed by an unknown CA (CA: ca.pem)\n"
            "hint: use the CA of this control plane (admin.json in its data directory, or "
            "--ca-file FILE), and its --api address\n");
  EXPECT_EQ(text({FailureKind::kUpstreamProtocol, "not an HTTP/1.1 message"}),
            "error: https://a:1 is not the API of tulle-control: not an HTTP/1.1 message\n"
            "hint: use the --api address of tulle-control (default port 15016)\n");
  EXPECT_EQ(text({FailureKind::kUpstreamClosed}).find("error: connection to https://a:1 failed: "),
            0);
  EXPECT_EQ(text({FailureKind::kUpstreamClosed}).find('_'), std::string::npos);
}

}  // namespace
}  // namespace tulle::cli
