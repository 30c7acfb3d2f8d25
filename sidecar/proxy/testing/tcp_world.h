// A client, a listener that relays, and a server in plaintext, in one process of the simulator.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "net/tls/testing/secure_pair.h"
#include "sidecar/proxy/active_listener.h"

namespace tulle::proxy::testing {

using std::chrono::milliseconds;
using tls::testing::TestEnd;

// A server in plaintext; its accepted ends.
class Backend : public loop::ListenerEvents {
 public:
  explicit Backend(loop::Loop& loop) : loop_(loop) {
    int error = 0;
    listener_ = loop.Listen(SocketAddress::Loopback4(0), {}, *this, &error);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    ends.push_back(std::make_unique<TestEnd>(loop_));
    on_accept(*ends.back());
    ends.back()->Take(PlainAcceptor().Accept(loop_, std::move(socket)));
  }
  SocketAddress address() const { return listener_->LocalAddress(); }
  void Close() { listener_.reset(); }

  std::function<void(TestEnd&)> on_accept = [](TestEnd& end) {
    end.on_ready = [&end] { end.transport().EnableRead(true); };
  };
  std::vector<std::unique_ptr<TestEnd>> ends;

 private:
  loop::Loop& loop_;
  std::unique_ptr<loop::Listener> listener_;
};

struct Watcher final : Observer {
  void OnRequestEnd(const Call& call) override { on_request_end(call); }
  void OnRelayOpened(const TcpRelay&) override { ++opened; }
  void OnRelayEnd(const TcpRelay& relay) override { ended.push_back(relay.record()); }
  void OnDownstreamRefused(Refusal why) override { refused.push_back(why); }
  void OnDetection(DetectionVerdict verdict) override { detections.push_back(verdict); }
  void OnUndetected(const BrokenConnection& connection) override {
    undetected.push_back(connection);
  }
  std::function<void(const Call&)> on_request_end = [](const Call&) {};
  int opened = 0;
  std::vector<RelayRecord> ended;
  std::vector<Refusal> refused;
  std::vector<DetectionVerdict> detections;
  std::vector<BrokenConnection> undetected;
};

class TcpWorld : public ::testing::Test {
 protected:
  TcpWorld() {
    listener_spec_.name = "l";
    listener_spec_.address = SocketAddress::Loopback4(0);
    tcp_.clusters = {{"c", 1}};
    cluster_.name = "c";
    cluster_.service = "the-service";
    cluster_.transport_sockets.emplace_back();
    client_.on_ready = [this] { client_.transport().EnableRead(true); };
  }
  ~TcpWorld() override {
    client_.Close(false);
    backend_.ends.clear();
    listener_.reset();
    clusters_.Remove("c");
    loop_->Post([] {});
    Pass();
  }

  std::shared_ptr<const config::ListenerSpec> Spec() const {
    auto chain = std::make_shared<config::FilterChainSpec>(chain_);
    chain->proxy = tcp_;
    auto spec = std::make_shared<config::ListenerSpec>(listener_spec_);
    spec->chains = {std::move(chain)};
    return spec;
  }
  void PutCluster(const std::vector<SocketAddress>& addresses) {
    auto set = std::make_shared<upstream::EndpointSet>();
    for (const SocketAddress& address : addresses) set->endpoints.emplace_back().address = address;
    cluster_.static_endpoints = std::move(set);
    clusters_.Put(std::make_shared<upstream::ClusterSpec>(cluster_), limits_);
  }
  void Listen() {
    listener_.emplace(services_, Spec());
    int error = 0;
    ASSERT_TRUE(listener_->Listen(&error));
  }
  void Dial() {
    client_.Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
    Pass();
  }
  // A client, a relay and a server's end, connected.
  void Connect() {
    PutCluster({backend_.address()});
    Listen();
    Dial();
    ASSERT_EQ(backend_.ends.size(), 1u);
    ASSERT_TRUE(server().ready);
  }
  void Pass(loop::Duration time = milliseconds(100)) { simulation_.RunFor(time); }
  TestEnd& server() { return *backend_.ends.front(); }
  const RelayRecord& record() { return watcher_.ended.at(0); }

  sim::Simulation simulation_{11};
  const int host_ = simulation_.AddHost({"10.0.0.1"});
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(host_);
  loop::Deadlines deadlines_{*loop_};
  upstream::ClusterTable clusters_{*loop_, deadlines_};
  RouteSlots routes_;
  Watcher watcher_;
  Services services_{*loop_, deadlines_, clusters_, routes_, watcher_};
  std::shared_ptr<upstream::ClusterLimits> limits_ = std::make_shared<upstream::ClusterLimits>(1);
  config::ListenerSpec listener_spec_;
  config::FilterChainSpec chain_;
  config::TcpSpec tcp_;
  upstream::ClusterSpec cluster_;
  Backend backend_{*loop_};
  TestEnd client_{*loop_};
  std::optional<ActiveListener> listener_;
};

}  // namespace tulle::proxy::testing
