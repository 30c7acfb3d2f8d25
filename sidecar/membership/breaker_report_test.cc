#include "sidecar/membership/breaker_report.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/loop/sim/simulation.h"

namespace tulle::sidecar {
namespace {

using std::chrono::seconds;
using upstream::BreakerState;

class BreakerReportTest : public testing::Test {
 protected:
  BreakerReportTest() {
    for (const char* name : {"outbound|80||a", "outbound|80||b"}) Add(name);
  }

  void Add(const std::string& name) {
    Cluster& cluster = clusters_[name];
    cluster.spec.name = name;
    cluster.spec.breaker = rules_;
    cluster.limits = std::make_unique<upstream::ClusterLimits>(1, changes_);
  }
  std::shared_ptr<upstream::SharedEndpoint> Endpoint(const std::string& cluster,
                                                     const std::string& address) {
    held_.push_back(
        clusters_[cluster].limits->endpoints.For(*SocketAddress::ParseWithPort(address)));
    return held_.back();
  }
  void Open(const std::string& cluster, const std::string& address, FailureKind why) {
    const auto endpoint = Endpoint(cluster, address);
    const auto pass = endpoint->breaker.TryPass(loop_->Now());
    ASSERT_TRUE(pass && endpoint->breaker.Report(*pass, upstream::Outcome::kGatewayError, rules_,
                                                 loop_->Now(), random_));
    ASSERT_TRUE(endpoint->breaker.Open(*pass, rules_, loop_->Now(), random_));
    endpoint->opened_by = why;
    clusters_[cluster].limits->NoteBreakerChange();
  }
  void Close(const std::string& cluster, const std::string& address) {
    const auto endpoint = Endpoint(cluster, address);
    const auto pass = endpoint->breaker.TryPass(loop_->Now());
    ASSERT_TRUE(pass && pass->trial);
    endpoint->breaker.Report(*pass, upstream::Outcome::kGood, rules_, loop_->Now(), random_);
    clusters_[cluster].limits->NoteBreakerChange();
  }
  registry::v1::HeartbeatRequest Heartbeat(bool answered = true) {
    registry::v1::HeartbeatRequest request;
    report_.AddTo(request);
    if (answered) report_.Confirm();
    return request;
  }

  struct Cluster {
    upstream::ClusterSpec spec;
    std::unique_ptr<upstream::ClusterLimits> limits;
  };
  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  loop::Random random_{7};
  upstream::BreakerSpec rules_{.errors = {1, 100}, .open_for = upstream::Milliseconds(1000)};
  std::shared_ptr<std::atomic<uint32_t>> changes_ = std::make_shared<std::atomic<uint32_t>>(0);
  std::map<std::string, Cluster> clusters_;
  std::vector<std::shared_ptr<upstream::SharedEndpoint>> held_;
  int visits_ = 0;
  BreakerReport report_{*loop_, [this] { return changes_->load(); },
                        [this](const BreakerReport::Visitor& visit) {
                          ++visits_;
                          for (auto& [name, cluster] : clusters_)
                            visit(cluster.spec, *cluster.limits);
                        }};
};

TEST_F(BreakerReportTest, NothingIsLookedAtOrSentWhileNoBreakerIsOpen) {
  Endpoint("outbound|80||a", "10.0.0.2:80");
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(Heartbeat().has_breakers());
  EXPECT_EQ(visits_, 0);
}

TEST_F(BreakerReportTest, AnOpenBreakerIsToldOnceWithItsCause) {
  Open("outbound|80||a", "10.0.0.2:80", FailureKind::kConnectRefused);
  Open("outbound|80||b", "10.0.0.3:80", FailureKind::kNone);
  simulation_.RunFor(seconds(3));
  const auto told = Heartbeat();
  ASSERT_EQ(told.breakers().items_size(), 2);
  EXPECT_EQ(told.breakers().count(), 2);
  EXPECT_EQ(told.breakers().items(0).cluster(), "outbound|80||a");
  EXPECT_EQ(told.breakers().items(0).endpoint(), "10.0.0.2:80");
  EXPECT_EQ(told.breakers().items(0).seconds(), 3);
  EXPECT_EQ(told.breakers().items(0).cause(), "connect_failed");
  EXPECT_EQ(told.breakers().items(1).cause(), "error_response");
  simulation_.RunFor(seconds(3));
  EXPECT_FALSE(Heartbeat().has_breakers()) << "time alone is not a change";
  Close("outbound|80||a", "10.0.0.2:80");
  EXPECT_EQ(Heartbeat().breakers().count(), 1);
  Close("outbound|80||b", "10.0.0.3:80");
  const auto closed = Heartbeat();
  EXPECT_TRUE(closed.has_breakers());
  EXPECT_EQ(closed.breakers().count(), 0);
  EXPECT_FALSE(Heartbeat().has_breakers());
}

TEST_F(BreakerReportTest, WhatWasNotAnsweredIsToldAgain) {
  Open("outbound|80||a", "10.0.0.2:80", FailureKind::kConnectRefused);
  EXPECT_TRUE(Heartbeat(false).has_breakers());
  EXPECT_TRUE(Heartbeat().has_breakers());
  EXPECT_FALSE(Heartbeat().has_breakers());
  report_.Begin();
  EXPECT_TRUE(Heartbeat().has_breakers()) << "another control plane does not know it";
}

TEST_F(BreakerReportTest, ARemovedClusterHasNoOpenBreaker) {
  Open("outbound|80||a", "10.0.0.2:80", FailureKind::kConnectRefused);
  EXPECT_EQ(Heartbeat().breakers().count(), 1);
  clusters_.erase("outbound|80||a");
  const auto told = Heartbeat();
  EXPECT_TRUE(told.has_breakers());
  EXPECT_EQ(told.breakers().count(), 0);
}

TEST_F(BreakerReportTest, AReportIsBoundedAndCountsAll) {
  for (int i = 0; i < 100; ++i) {
    Open("outbound|80||a", "10.0.1." + std::to_string(i) + ":80", FailureKind::kConnectTimeout);
  }
  const auto told = Heartbeat();
  EXPECT_EQ(told.breakers().count(), 100);
  EXPECT_EQ(told.breakers().items_size(), BreakerReport::kMostItems);
  EXPECT_LT(told.ByteSizeLong(), 16 * 1024);
}

}  // namespace
}  // namespace tulle::sidecar
