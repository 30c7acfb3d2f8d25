#include "sidecar/dataplane/worker.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "net/loop/uv/uv_loop.h"
#include "sidecar/proxy/call.h"

namespace tulle::sidecar {
namespace {

// A blocking TCP client or server side, for tests that speak bytes.
class Wire {
 public:
  explicit Wire(int descriptor) : descriptor_(descriptor) {}
  static Wire To(const SocketAddress& address) {
    const int descriptor = socket(address.get()->sa_family, SOCK_STREAM, 0);
    timeval limit{10, 0};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(connect(descriptor, address.get(), address.length()), 0);
    return Wire(descriptor);
  }
  Wire(Wire&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~Wire() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  void Send(std::string_view text) {
    EXPECT_EQ(send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
  }
  // Until `end` has come, or the peer closed.
  std::string ReadUntil(std::string_view end) {
    std::string text;
    char piece[65536];
    while (!text.ends_with(end)) {
      const ssize_t count = recv(descriptor_, piece, sizeof piece, 0);
      if (count <= 0) break;
      text.append(piece, size_t(count));
    }
    return text;
  }

 private:
  int descriptor_;
};

// An origin that answers each request (that ends with its head) with the same bytes.
class Origin {
 public:
  explicit Origin(std::string answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    SocketAddress any = SocketAddress::Loopback4(0);
    EXPECT_EQ(bind(listener_, any.get(), any.length()), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &length);
    address = SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&bound));
    thread_ = std::thread([this] { Serve(); });
  }
  ~Origin() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  SocketAddress address;

 private:
  void Serve() {
    while (true) {
      const int accepted = accept(listener_, nullptr, nullptr);
      if (accepted < 0) return;
      Wire wire(accepted);
      for (std::string request = wire.ReadUntil("\r\n\r\n"); !request.empty();
           request = wire.ReadUntil("\r\n\r\n")) {
        wire.Send(answer_);
      }
    }
  }
  std::string answer_;
  int listener_;
  std::thread thread_;
};

struct Watcher final : proxy::Observer {
  void OnRequestEnd(const proxy::Call& call) override {
    ++exchanges;
    last_status = call.record.status;
  }
  void OnRelayEnd(const proxy::TcpRelay&) override { ++relays; }
  std::atomic<int> exchanges{0};
  std::atomic<int> relays{0};
  std::atomic<int> last_status{0};
};

class WorkerTest : public testing::Test {
 protected:
  std::shared_ptr<config::Snapshot> SnapshotFor(const SocketAddress& origin) {
    auto snapshot = std::make_shared<config::Snapshot>();
    auto cluster = std::make_shared<upstream::ClusterSpec>();
    cluster->name = "origin";
    cluster->transport_sockets.push_back({});
    auto endpoints = std::make_shared<upstream::EndpointSet>();
    upstream::EndpointSpec endpoint;
    endpoint.address = origin;
    endpoints->endpoints.push_back(endpoint);
    cluster->static_endpoints = endpoints;
    snapshot->clusters["origin"] = cluster;

    route::RouteTableSpec routes;
    routes.virtual_hosts.emplace_back();
    routes.virtual_hosts[0].domains = {"*"};
    route::RouteSpec route;
    route.match.path.kind = route::PathKind::kPrefix;
    route.match.path.text = "/";
    route::ForwardSpec forward;
    forward.clusters.push_back({});
    forward.clusters[0].name = "origin";
    route.action = forward;
    routes.virtual_hosts[0].routes.push_back(route);
    auto compiled = route::RouteTable::Compile(std::move(routes));
    EXPECT_TRUE(compiled.ok()) << compiled.status();

    auto chain = std::make_shared<config::FilterChainSpec>();
    config::HttpSpec http;
    http.routes = *compiled;
    chain->proxy = http;
    auto listener = std::make_shared<config::ListenerSpec>();
    listener->name = "l";
    listener->address = SocketAddress::Loopback4(0);
    listener->chains.push_back(chain);
    snapshot->listeners["l"] = listener;
    return snapshot;
  }

  // Runs a worker with this snapshot while `client` talks to its listener.
  void Run(std::shared_ptr<config::Snapshot> snapshot,
           const std::function<void(SocketAddress)>& client) {
    std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
    {
      Worker worker(*loop, watcher);
      LimitsTable limits(1);
      EXPECT_TRUE(worker.Apply(MakeVersion(snapshot, limits)).empty());
      const SocketAddress address = worker.listeners()[0]->local_address();
      std::thread thread([&] {
        client(address);
        loop->Post([&] {
          worker.Close();
          loop->Stop();
        });
      });
      loop->Run();
      thread.join();
    }
  }
  Watcher watcher;
};

TEST_F(WorkerTest, ForwardsRequestsOverKeptConnections) {
  Origin origin("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kept-Case: yes\r\n\r\nhello");
  Run(SnapshotFor(origin.address), [](SocketAddress address) {
    Wire wire = Wire::To(address);
    for (int i = 0; i < 3; ++i) {
      wire.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
      const std::string answer = wire.ReadUntil("hello");
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
      EXPECT_NE(answer.find("X-Kept-Case: yes"), std::string::npos) << answer;
    }
  });
  EXPECT_EQ(watcher.exchanges, 3);
  EXPECT_EQ(watcher.last_status, 200);
}

TEST_F(WorkerTest, Fault49_RefusedConnectIs503) {
  Run(SnapshotFor(SocketAddress::Loopback4(1)), [](SocketAddress address) {
    Wire wire = Wire::To(address);
    wire.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = wire.ReadUntil("remote connection failure");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  });
  EXPECT_EQ(watcher.last_status, 503);
}

}  // namespace
}  // namespace tulle::sidecar
