#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/http/testing/stream_recorder.h"
#include "net/loop/deadlines.h"
#include "net/loop/sim/simulation.h"
#include "sidecar/upstream/cluster.h"

// A cluster with two backends in the simulator, for tests.
namespace tulle::upstream {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A listener that keeps what it accepts and never responds.
class Backend : public loop::ListenerEvents {
 public:
  explicit Backend(loop::Loop& loop) {
    int error = 0;
    listener_ = loop.Listen(SocketAddress::Loopback4(0), {}, *this, &error);
    EXPECT_NE(listener_, nullptr);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    accepted.push_back(std::move(socket));
  }
  SocketAddress address() const { return listener_->LocalAddress(); }
  size_t open() const {
    size_t count = 0;
    for (const auto& socket : accepted) count += socket->PeekPending() == 0;
    return count;
  }
  std::vector<std::unique_ptr<loop::Socket>> accepted;

 private:
  std::unique_ptr<loop::Listener> listener_;
};

class Request : public StreamWaiter {
 public:
  explicit Request(loop::Loop& loop) : recorder_(loop.slab()) {}
  http::StreamEvents& events() override { return recorder_; }
  void OnStream(http::Stream& opened, Transport& transport, bool on_reused) override {
    ++answers;
    if (transport.peer() != nullptr) peer_not_after = transport.peer()->not_after;
    stream = &opened;
    reused = on_reused;
  }
  void OnNoStream(Failure why) override {
    ++answers;
    failure = why.kind;
  }
  void Ask(ConnectionPool& pool, bool fresh = false) {
    const Acquired acquired = pool.Acquire(*this, fresh);
    if (acquired.stream != nullptr)
      OnStream(*acquired.stream, *acquired.transport, acquired.reused);
    if (acquired.failure) OnNoStream(acquired.failure);
  }
  // Before anything was sent: the connection may be reused.
  void End() { std::exchange(stream, nullptr)->Reset({}); }

  http::Stream* stream = nullptr;
  bool reused = false;
  int64_t peer_not_after = 0;
  FailureKind failure = FailureKind::kNone;
  int answers = 0;

 private:
  http::StreamRecorder recorder_;
};

inline LocalitySpec LocalityOf(uint32_t weight) {
  LocalitySpec locality;
  locality.weight = weight;
  return locality;
}

// Causes of openings; empty: there was an answer.
class Openings final : public BreakerObserver {
 public:
  void OnBreakerOpened(const ClusterSpec& cluster, FailureKind why) override {
    EXPECT_EQ(cluster.name, "c");
    causes.emplace_back(why.is_none() ? std::string_view() : why.facts().cause);
  }
  std::vector<std::string> causes;
};

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() {
    spec_.name = "c";
    spec_.pool_key = 1;
    spec_.transport_sockets.emplace_back();
  }
  // An HTTP/2 stream outlives its connection until its user detaches.
  void EndRequests() {
    for (Request* request : {&one_, &two_, &three_}) request->End();
  }
  // Runs what the cluster deferred to the end of the turn before the loop is destroyed.
  void TearDown() override {
    cluster_.reset();
    loop_->Post([] {});
    Pass();
  }
  std::shared_ptr<const ClusterSpec> Spec() const { return std::make_shared<ClusterSpec>(spec_); }
  static std::shared_ptr<const EndpointSet> Set(const std::vector<SocketAddress>& addresses,
                                                const std::string& spiffe_id = "") {
    auto set = std::make_shared<EndpointSet>();
    for (const SocketAddress& address : addresses) {
      set->endpoints.emplace_back().address = address;
      set->endpoints.back().spiffe_id = spiffe_id;
    }
    return set;
  }
  void Build(const std::vector<SocketAddress>& addresses) {
    limits_ = std::make_shared<ClusterLimits>(1);
    cluster_.emplace(*loop_, deadlines_, Spec(), limits_, nullptr, &openings_);
    cluster_->SetEndpoints(Set(addresses));
  }
  // One attempt with the endpoint's result; empty: not allowed to pass.
  template <typename Ending>
  std::optional<Outcome> Try(Ending ending) {
    Cluster::Picked picked = cluster_->Pick({}, 0, &failure_);
    if (picked.endpoint == nullptr) return std::nullopt;
    const Outcome outcome = ending(*picked.endpoint);
    cluster_->Report(picked, outcome);
    cluster_->Leave(picked);
    return outcome;
  }
  Endpoint& At(const SocketAddress& address) {
    for (const Endpoint* endpoint : cluster_->Endpoints()) {
      if (endpoint->spec().address == address) return const_cast<Endpoint&>(*endpoint);
    }
    ADD_FAILURE() << "no endpoint " << address.ToString();
    std::abort();
  }
  ConnectionPool& Pool(const Backend& backend, HttpVersion version = HttpVersion::k1) {
    return At(backend.address()).Pool(version);
  }
  void Pass(loop::Duration time = milliseconds(100)) { simulation_.RunFor(time); }
  uint32_t connections() const { return limits_->connections.count(); }
  uint32_t pending() const { return limits_->pending.count(); }

  sim::Simulation simulation_{7};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  loop::Deadlines deadlines_{*loop_};
  Backend a_{*loop_}, b_{*loop_};
  ClusterSpec spec_;
  std::shared_ptr<ClusterLimits> limits_;
  Openings openings_;
  Request one_{*loop_}, two_{*loop_}, three_{*loop_};
  std::optional<Cluster> cluster_;
  Failure failure_;
};

}  // namespace tulle::upstream
