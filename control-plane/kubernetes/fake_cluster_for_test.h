// An API server in a simulated network, a client of it, and a mesh that records what it is told:
// what tests of the parts of a KubernetesLink start from. Destroy those parts before this.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control-plane/kubernetes/recorded_mesh_for_test.h"
#include "k8s/api/client.h"
#include "k8s/api/testing/fake_api_server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class FakeCluster : public ::testing::Test {
 protected:
  using Call = k8s::testing::FakeApiServer::Call;

  FakeCluster() {
    server_loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.2"}));
    loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
    StartServer();
    client_.emplace(
        *loop_, [this] { return PlainConnector().Connect(*loop_, at_, {}); },
        k8s::Client::Options{"kubernetes:443", {"secret", ""}}, [](const std::string&) {});
  }
  ~FakeCluster() override {
    client_.reset();
    server_.reset();
  }

  // Without any objects.
  void StartServer() { server_.emplace(*server_loop_, PlainAcceptor(), at_); }
  bool Until(const std::function<bool()>& condition) {
    return simulation_.RunUntil(condition, std::chrono::seconds(120)) ==
           sim::Simulation::Outcome::kConditionMet;
  }

  sim::Simulation simulation_{3};
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.2:443");
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::unique_ptr<loop::Loop> server_loop_, loop_;
  std::optional<k8s::testing::FakeApiServer> server_;
  std::optional<k8s::Client> client_;
  RecordedMesh mesh_;
};

}  // namespace tulle::kubernetes
