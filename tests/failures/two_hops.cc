#include "tests/failures/two_hops.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "net/loop/uv/uv_loop.h"
#include "net/tls/memory.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/bootstrap.h"
#include "sidecar/dataplane/worker.h"
#include "tests/failures/failing_calls.h"

namespace tulle::failures {
namespace {

constexpr timeval kPatience{10, 0};

struct Nobody final : proxy::Observer {
  void OnRequestEnd(const proxy::Call&) override {}
  void OnRelayEnd(const proxy::TcpRelay&) override {}
};

int Listen(uint16_t& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const SocketAddress any = SocketAddress::Loopback4(0);
  EXPECT_EQ(::bind(listener, any.get(), any.length()), 0);
  EXPECT_EQ(::listen(listener, 16), 0);
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &length);
  port = ntohs(bound.sin_port);
  return listener;
}

int OpenDescriptors() {
  const auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<int>(std::distance(begin(all), end(all)));
}

uint16_t FreePort() {
  uint16_t port = 0;
  ::close(Listen(port));
  return port;
}

bool SendAll(int connection, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// A message whose length is stated in its head; empty if it is incomplete.
std::string ReceiveMessage(int connection, std::string* head) {
  std::string text;
  char piece[16384];
  size_t wanted = std::string::npos;
  while (text.size() < wanted) {
    const ssize_t count = ::recv(connection, piece, sizeof piece, 0);
    if (count <= 0) return {};
    text.append(piece, static_cast<size_t>(count));
    const size_t end = text.find("\r\n\r\n");
    if (wanted != std::string::npos || end == std::string::npos) continue;
    *head = text.substr(0, end);
    const size_t at = head->find("content-length: ");
    size_t length = 0;
    if (at != std::string::npos)
      std::from_chars(head->data() + at + 16, head->data() + head->size(), length);
    wanted = end + 4 + length;
  }
  return text;
}

std::string Escaped(const std::string& pem) { return absl::StrReplaceAll(pem, {{"\n", "\\n"}}); }

constexpr char kBootstrap[] = R"(
node: {id: test, cluster: test}
static_resources:
  listeners:
  - name: outbound
    address: {socket_address: {address: 127.0.0.1, port_value: @OUTBOUND@}}
    filter_chains:
    - filters: [@MANAGER:inbound@]
  - name: inbound
    address: {socket_address: {address: 127.0.0.1, port_value: @INBOUND@}}
    filter_chains:
    - filters: [@MANAGER:application@]
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context: @TLS@
  clusters:
  - name: inbound
    connect_timeout: 5s
    load_assignment: {cluster_name: inbound, endpoints: [{lb_endpoints: [{endpoint:
      {address: {socket_address: {address: 127.0.0.1, port_value: @INBOUND@}}}}]}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: @TLS@
  - name: application
    connect_timeout: 5s
    load_assignment: {cluster_name: application, endpoints: [{lb_endpoints: [{endpoint:
      {address: {socket_address: {address: 127.0.0.1, port_value: @APPLICATION@}}}}]}]}
)";

constexpr char kManager[] = R"({name: envoy.filters.network.http_connection_manager,
      typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
        stat_prefix: test, route_config: {name: to-$0, virtual_hosts: [{name: all, domains: ["*"],
          routes: [{match: {prefix: /}, route: {cluster: $0, timeout: 0s}}]}]},
        http_filters: [{name: router, typed_config:
          {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}})";

std::string Manager(const std::string& cluster) {
  return absl::StrReplaceAll(kManager, {{"$0", cluster}});
}

}  // namespace

Application::Application() : listener_(Listen(port_)), thread_([this] { Serve(); }) {}

Application::~Application() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  for (std::thread& conversation : conversations_) conversation.join();
  ::close(listener_);
}

void Application::Serve() {
  while (true) {
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    conversations_.emplace_back(&Application::Converse, connection);
  }
}

void Application::Converse(int connection) {
  std::string head;
  for (std::string message = ReceiveMessage(connection, &head); !message.empty();
       message = ReceiveMessage(connection, &head)) {
    const std::string body(TwoHops::kBody, 'a');
    SendAll(connection,
            absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", body.size(), "\r\n\r\n", body));
  }
  ::close(connection);
}

TwoHops::TwoHops()
    : ca_("cluster.local", 1, std::time(nullptr)),
      identity_(ca_.Workload("web")),
      outbound_port_(FreePort()),
      inbound_port_(FreePort()),
      loader_(std::make_unique<config::SnapshotLoader>(tls::TlsTransports())) {
  const auto bootstrap = config::ParseBootstrap(Bootstrap(), "two_hops");
  EXPECT_TRUE(bootstrap.ok()) << bootstrap.status();
  const absl::Status loaded = config::LoadStaticResources(*bootstrap, "two_hops", *loader_);
  EXPECT_TRUE(loaded.ok()) << loaded;
  snapshot_ = loader_->Current();
  Run([] {});  // libuv opens these once and keeps them
  descriptors_ = OpenDescriptors();
}

TwoHops::~TwoHops() = default;

std::string TwoHops::Bootstrap() const {
  const std::string tls = absl::StrCat(
      "{tls_certificates: [{certificate_chain: {inline_string: \"", Escaped(identity_.ChainPem()),
      "\"}, private_key: {inline_string: \"", Escaped(identity_.key.ToPem()),
      "\"}}], validation_context: {trusted_ca: {inline_string: \"", Escaped(ca_.Bundle().ToPem()),
      "\"}}, alpn_protocols: [h2]}");
  return absl::StrReplaceAll(kBootstrap, {{"@OUTBOUND@", absl::StrCat(outbound_port_)},
                                          {"@INBOUND@", absl::StrCat(inbound_port_)},
                                          {"@APPLICATION@", absl::StrCat(application_.port())},
                                          {"@TLS@", tls},
                                          {"@MANAGER:inbound@", Manager("inbound")},
                                          {"@MANAGER:application@", Manager("application")}});
}

size_t TwoHops::Run(const std::function<void()>& client, MemorySource& memory) {
  size_t held = 0;
  std::thread thread([&] {
    Calls().WatchThisThread();
    const tls::SourceScope library_memory(memory);
    const std::unique_ptr<loop::Loop> loop = loop::NewUvLoop(memory);
    Nobody observer;
    {
      sidecar::Worker worker(*loop, observer);
      sidecar::LimitsTable limits(1);
      const auto errors = worker.Apply(sidecar::MakeVersion(snapshot_, limits));
      EXPECT_TRUE(errors.empty()) << errors.front().ToText();
      std::thread caller([&] {
        client();
        loop->Post([&] {
          worker.Close();
          loop->Stop();
        });
      });
      loop->Run();
      caller.join();
    }
    // Released objects are freed at the end of this turn.
    loop->Post([&] { loop->Stop(); });
    loop->Run();
    held = loop->slab().bytes_in_use();
  });
  thread.join();
  return held;
}

Answer TwoHops::Post() const {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  const SocketAddress to = SocketAddress::Loopback4(outbound_port_);
  Answer answer;
  const std::string body(kBody, 'q');
  if (::connect(connection, to.get(), to.length()) == 0 &&
      SendAll(connection,
              absl::StrCat("POST / HTTP/1.1\r\nhost: web\r\nconnection: close\r\ncontent-length: ",
                           body.size(), "\r\n\r\n", body))) {
    std::string head;
    answer.whole = !ReceiveMessage(connection, &head).empty();
    char more;
    if (answer.whole) {
      EXPECT_LE(::recv(connection, &more, 1, 0), 0) << "more than was announced";
    }
    if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, answer.status);
    EXPECT_NE(errno, EAGAIN) << "no answer and no end within 10 s";
  }
  ::close(connection);
  return answer;
}

bool TwoHops::LeftNothingOpen() const {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(kPatience.tv_sec);
  while (OpenDescriptors() > descriptors_) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace tulle::failures
