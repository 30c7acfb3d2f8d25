#include "sidecar/discovery/discovery.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "net/grpc/server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "net/tls/sim_transports.h"
#include "sidecar/config/snapshot.h"
#include "xds/proto/type_urls.h"
#include "xds/server/ads_server.h"

namespace tulle::sidecar {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr char kControl[] = "10.0.0.3:15012";

using Resources = std::map<std::string, std::string>;  // bytes by name

// A control plane that serves what it is given, to anybody.
class FakeControl : private xds::Source, private loop::ListenerEvents {
 public:
  explicit FakeControl(loop::Loop& loop)
      : loop_(loop),
        view_(std::make_shared<Tables>()),
        ads_(loop, *this),
        server_(loop, services_, {}) {
    ads_.Register(services_);
    int error = 0;
    listener_ = loop.Listen(*SocketAddress::ParseWithPort(kControl), {}, *this, &error);
  }
  void Serve(const Resources& clusters, const Resources& endpoints) {
    auto view = std::make_shared<Tables>();
    Fill(clusters, view->clusters);
    Fill(endpoints, view->endpoints);
    view_ = std::move(view);
    ads_.Refresh();
  }
  // What the one stream says about a cluster.
  xds::ResourceStatus StatusOfCluster(const std::string& name) {
    for (const xds::StreamStatus& stream : ads_.Statuses()) {
      const auto clusters = stream.types.find(xds::kClusterType);
      if (clusters != stream.types.end() && clusters->second.contains(name))
        return clusters->second.at(name);
    }
    ADD_FAILURE() << name << " was not sent";
    return {};
  }

 private:
  struct Tables final : xds::TableView {
    const xds::ResourceTable* TableOf(std::string_view type_url) const override {
      if (type_url == xds::kClusterType) return &clusters;
      return type_url == xds::kEndpointType ? &endpoints : &empty;
    }
    xds::ResourceTable clusters, endpoints, empty;
  };
  static void Fill(const Resources& resources, xds::ResourceTable& table) {
    for (const auto& [name, bytes] : resources) {
      const std::string version = std::to_string(std::hash<std::string>()(bytes));
      table[name] = std::make_shared<const xds::Resource>(xds::Resource{version, bytes});
    }
  }
  absl::StatusOr<std::shared_ptr<const xds::View>> ViewFor(const envoy::config::core::v3::Node&,
                                                           const Transport&) override {
    return view_;
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    server_.Adopt(PlainAcceptor().Accept(loop_, std::move(socket)));
  }

  loop::Loop& loop_;
  std::shared_ptr<const Tables> view_;
  grpc::ServiceRegistry services_;
  xds::AdsServer ads_;
  grpc::Server server_;
  std::unique_ptr<loop::Listener> listener_;
};

struct Unobserved final : proxy::Observer {
  void OnRequestEnd(const proxy::Call&) override {}
  void OnRelayEnd(const proxy::TcpRelay&) override {}
};

class LogText final : public telemetry::Log::Sink {
 public:
  explicit LogText(std::string& text) : text_(text) {}
  void Write(std::string_view line) override { text_ += line; }

 private:
  std::string& text_;
};

class DiscoveryTest : public testing::Test {
 protected:
  DiscoveryTest() {
    std::string pattern = testing::TempDir() + "/discovery-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    last_good_ = directory_ + "/last-good.pb";
  }
  ~DiscoveryTest() override {
    Stop();
    control_.reset();
    std::filesystem::remove_all(directory_);
  }

  // The sidecar's process. False: there was no last good configuration.
  bool Start() {
    loop_ = simulation_.NewLoop(host_);
    Sidecar::Options options;
    options.new_worker = [this](int) {
      return std::make_unique<WorkerOnLoop>(*loop_, std::make_unique<Unobserved>());
    };
    sidecar_ = std::make_unique<Sidecar>(*loop_, tls::SimTransports(), std::move(options));
    envoy::config::core::v3::Node node;
    node.set_id("shop-1");
    Discovery::Options discovery;
    discovery.node = node.SerializeAsString();
    discovery.authority = "tulle-control";
    discovery.scheme = "http";
    discovery.last_good_file = last_good_;
    metrics_ = std::make_unique<telemetry::Registry>();
    discovery_ = std::make_unique<Discovery>(
        *loop_, *sidecar_,
        [this] {
          return PlainConnector().Connect(*loop_, *SocketAddress::ParseWithPort(kControl), {});
        },
        std::move(discovery), log_, *metrics_);
    const bool loaded = discovery_->LoadLastGood();
    sidecar_->Publish();
    discovery_->Start();
    return loaded;
  }
  void Stop() {
    discovery_.reset();
    sidecar_.reset();
    loop_.reset();
  }
  void StartControl(const Resources& clusters, const Resources& endpoints = {}) {
    control_ = std::make_unique<FakeControl>(*control_loop_);
    control_->Serve(clusters, endpoints);
  }

  static std::string Cluster(const std::string& name, int port) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(name);
    cluster.set_type(envoy::config::cluster::v3::Cluster::STATIC);
    *cluster.mutable_load_assignment() = Assignment(name, port);
    return cluster.SerializeAsString();
  }
  static std::string EdsCluster(const std::string& name) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(name);
    cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
    cluster.mutable_eds_cluster_config()->mutable_eds_config()->mutable_ads();
    return cluster.SerializeAsString();
  }
  static envoy::config::endpoint::v3::ClusterLoadAssignment Assignment(const std::string& name,
                                                                       int port) {
    envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
    assignment.set_cluster_name(name);
    auto& address = *assignment.add_endpoints()
                         ->add_lb_endpoints()
                         ->mutable_endpoint()
                         ->mutable_address()
                         ->mutable_socket_address();
    address.set_address("10.0.0.9");
    address.set_port_value(static_cast<uint32_t>(port));
    return assignment;
  }
  // The ports of the clusters in force, by name; of an EDS cluster those of its endpoints.
  std::map<std::string, int> InForce() {
    std::map<std::string, int> ports;
    const auto snapshot = sidecar_->loader().Current();
    for (const auto& [name, cluster] : snapshot->clusters) {
      const auto& endpoints =
          cluster->uses_eds ? snapshot->endpoints.at(name) : cluster->static_endpoints;
      ports[name] = endpoints->endpoints.at(0).address.port();
    }
    return ports;
  }
  int Updates(const std::string& result) {
    int count = 0;
    const telemetry::Registry* all[] = {metrics_.get()};
    for (const telemetry::FamilySamples& family : telemetry::Collect(all)) {
      if (family.spec.name != "tulle_xds_updates_total") continue;
      for (const telemetry::Sample& sample : family.samples) {
        if (sample.labels[1] == result) count += static_cast<int>(sample.count);
      }
    }
    return count;
  }
  using Ports = std::map<std::string, int>;

  sim::Simulation simulation_{1};
  const int host_ = simulation_.AddHost({"10.0.0.1"});
  std::unique_ptr<loop::Loop> control_loop_ =
      simulation_.NewLoop(simulation_.AddHost({"10.0.0.3"}));
  std::string directory_, last_good_, log_text_;
  telemetry::Log log_{telemetry::LogLevel::kWarning, telemetry::Log::Form::kText,
                      std::make_unique<LogText>(log_text_)};
  std::unique_ptr<FakeControl> control_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<telemetry::Registry> metrics_;
  std::unique_ptr<Sidecar> sidecar_;
  std::unique_ptr<Discovery> discovery_;
};

TEST_F(DiscoveryTest, WhatIsServedComesIntoForce) {
  StartControl({{"a", Cluster("a", 1)}, {"b", EdsCluster("b")}},
               {{"b", Assignment("b", 2).SerializeAsString()}});
  EXPECT_FALSE(Start());
  simulation_.RunFor(seconds(5));
  EXPECT_TRUE(discovery_->connected());
  EXPECT_EQ(InForce(), (Ports{{"a", 1}, {"b", 2}}));
}

TEST_F(DiscoveryTest, ARejectedResourceKeepsTheOldOneAndTheRestProceeds) {
  StartControl({{"a", Cluster("a", 1)}, {"b", Cluster("b", 2)}});
  Start();
  simulation_.RunFor(seconds(5));
  control_->Serve({{"a", "\xff\xff"}, {"b", Cluster("b", 3)}}, {});
  simulation_.RunFor(seconds(5));
  EXPECT_EQ(InForce(), (Ports{{"a", 1}, {"b", 3}}));
  EXPECT_EQ(control_->StatusOfCluster("a").delivery, xds::Delivery::kRejected);
  EXPECT_NE(control_->StatusOfCluster("a").error.find("a: "), std::string::npos);
  EXPECT_EQ(Updates("rejected"), 1);
  EXPECT_NE(log_text_.find("rejected: "), std::string::npos);
  // Mended, it is taken; until then a restart still begins with the last good one.
  Stop();
  ASSERT_TRUE(Start());
  EXPECT_EQ(InForce(), (Ports{{"a", 1}, {"b", 3}}));
  control_->Serve({{"a", Cluster("a", 4)}, {"b", Cluster("b", 3)}}, {});
  simulation_.RunFor(minutes(1));
  EXPECT_EQ(InForce(), (Ports{{"a", 4}, {"b", 3}}));
}

TEST_F(DiscoveryTest, TheLastGoodConfigurationServesWhileTheControlPlaneIsDown) {
  StartControl({{"a", Cluster("a", 1)}, {"b", EdsCluster("b")}},
               {{"b", Assignment("b", 2).SerializeAsString()}});
  Start();
  simulation_.RunFor(seconds(5));
  Stop();
  control_.reset();
  ASSERT_TRUE(Start());
  simulation_.RunFor(minutes(2));
  EXPECT_FALSE(discovery_->connected());
  EXPECT_TRUE(sidecar_->ready());
  EXPECT_EQ(InForce(), (Ports{{"a", 1}, {"b", 2}}));
}

TEST_F(DiscoveryTest, WhatIsHeldIsNotSentAgainAndWhatIsGoneIsRemoved) {
  const Resources clusters = {{"a", Cluster("a", 1)}, {"b", EdsCluster("b")}};
  const Resources endpoints = {{"b", Assignment("b", 2).SerializeAsString()}};
  StartControl(clusters, endpoints);
  Start();
  simulation_.RunFor(seconds(5));
  Stop();
  ASSERT_TRUE(Start());
  simulation_.RunFor(seconds(5));
  EXPECT_TRUE(discovery_->connected());
  EXPECT_EQ(Updates("accepted"), 0);
  EXPECT_EQ(InForce(), (Ports{{"a", 1}, {"b", 2}}));
  // Gone while the sidecar was away.
  Stop();
  control_->Serve({{"a", Cluster("a", 1)}}, {});
  ASSERT_TRUE(Start());
  EXPECT_EQ(InForce(), (Ports{{"a", 1}, {"b", 2}}));
  simulation_.RunFor(seconds(5));
  EXPECT_EQ(InForce(), (Ports{{"a", 1}}));
}

TEST_F(DiscoveryTest, ADamagedLastGoodFileCostsNoMoreThanItself) {
  StartControl({{"a", Cluster("a", 1)}, {"b", Cluster("b", 2)}});
  Start();
  simulation_.RunFor(seconds(5));
  Stop();
  std::string good;
  {
    std::ifstream file(last_good_, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(file), {});
  }
  ASSERT_FALSE(good.empty());
  for (size_t cut = 0; cut < good.size(); cut += 7) {
    for (const std::string& damaged : {good.substr(0, cut), [&] {
                                         std::string changed = good;
                                         changed[cut] = static_cast<char>(~changed[cut]);
                                         return changed;
                                       }()}) {
      std::ofstream(last_good_, std::ios::binary | std::ios::trunc) << damaged;
      Start();
      simulation_.RunFor(seconds(10));
      ASSERT_EQ(InForce(), (Ports{{"a", 1}, {"b", 2}})) << "byte " << cut;
      Stop();
    }
  }
}

TEST_F(DiscoveryTest, AnUnreadableLastGoodFileIsTold) {
  std::ofstream(last_good_) << "\xff\xff\xff";
  EXPECT_FALSE(Start());
  EXPECT_NE(log_text_.find("last-good.pb is corrupt; starting without it"), std::string::npos)
      << log_text_;
}

}  // namespace
}  // namespace tulle::sidecar
