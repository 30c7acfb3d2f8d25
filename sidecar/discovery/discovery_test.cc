#include "sidecar/discovery/discovery.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "net/grpc/server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "net/tls/sim_transports.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/discovery/on_demand_listeners.h"
#include "xds/proto/type_urls.h"
#include "xds/server/ads_server.h"
#include "xds/server/testing/statuses.h"

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
  // Listeners are those of virtual addresses: sent to who subscribes to them by name.
  void Serve(const Resources& clusters, const Resources& endpoints,
             const Resources& listeners = {}) {
    auto view = std::make_shared<Tables>();
    Fill(clusters, view->clusters);
    Fill(endpoints, view->endpoints);
    Fill(listeners, view->listeners, true);
    view_ = std::move(view);
    std::set<std::string> nodes;
    ads_.ForEach([&](const std::string& id, const xds::Session&) { nodes.insert(id); });
    ads_.Publish({}, nodes);
  }
  // What the one stream says about a cluster.
  xds::ResourceStatus StatusOfCluster(const std::string& name) {
    std::optional<xds::ResourceStatus> status;
    ads_.ForEach([&](const std::string&, const xds::Session& session) {
      const auto statuses = xds::StatusesOf(session);
      const auto clusters = statuses.find(xds::kClusterType);
      if (clusters != statuses.end() && clusters->second.contains(name))
        status = clusters->second.at(name);
    });
    if (status) return *status;
    ADD_FAILURE() << name << " was not sent";
    return {};
  }

 private:
  struct Tables final : xds::TableView {
    const xds::ResourceTable* TableOf(std::string_view type_url) const override {
      if (type_url == xds::kClusterType) return &clusters;
      if (type_url == xds::kListenerType) return &listeners;
      return type_url == xds::kEndpointType ? &endpoints : &empty;
    }
    xds::ResourceTable clusters, endpoints, listeners, empty;
  };
  static void Fill(const Resources& resources, xds::ResourceTable& table,
                   bool by_name_only = false) {
    for (const auto& [name, bytes] : resources) {
      const std::string version = std::to_string(std::hash<std::string>()(bytes));
      table[name] =
          std::make_shared<const xds::Resource>(xds::Resource{version, bytes, by_name_only});
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
    discovery.clusters = clusters_;
    discovery.local_secrets = {"default"};
    discovery.last_good_file = last_good_;
    metrics_ = std::make_unique<telemetry::Registry>();
    discovery_ = std::make_unique<Discovery>(
        *loop_, *sidecar_,
        [this] {
          return PlainConnector().Connect(*loop_, *SocketAddress::ParseWithPort(kControl), {});
        },
        std::move(discovery), log_, *metrics_);
    const bool loaded = discovery_->LoadLastGood();
    if (transparent_) {
      on_demand_ = std::make_unique<OnDemandListeners>(*loop_, *sidecar_, *discovery_);
      on_demand_->Start({});
    }
    sidecar_->Publish();
    discovery_->Start();
    return loaded;
  }
  void Stop() {
    on_demand_.reset();
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
  // With TLS, by the secret of the identity.
  static std::string TlsCluster(const std::string& name) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.ParseFromString(Cluster(name, 1));
    envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext tls;
    auto* secret = tls.mutable_common_tls_context()->add_tls_certificate_sds_secret_configs();
    secret->set_name("default");
    secret->mutable_sds_config()->mutable_ads();
    cluster.mutable_transport_socket()->set_name("tls");
    cluster.mutable_transport_socket()->mutable_typed_config()->PackFrom(tls);
    return cluster.SerializeAsString();
  }
  // Of a virtual address.
  static std::string VipListener(const std::string& name, const std::string& cluster,
                                 const std::string& prefix) {
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy tcp;
    tcp.set_stat_prefix(prefix);
    tcp.set_cluster(cluster);
    envoy::config::listener::v3::Listener listener;
    listener.set_name(name);
    listener.mutable_bind_to_port()->set_value(false);
    auto* address = listener.mutable_address()->mutable_socket_address();
    address->set_address(name.substr(0, name.find('_')));
    address->set_port_value(80);
    auto* filter = listener.add_filter_chains()->add_filters();
    filter->set_name("tcp");
    filter->mutable_typed_config()->PackFrom(tcp);
    return listener.SerializeAsString();
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
  std::unique_ptr<OnDemandListeners> on_demand_;
  Discovery::Clusters clusters_ = Discovery::Clusters::kAll;
  bool transparent_ = false;
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

// The identity is not on disk, so that the stored listener of a virtual address waits for it.
TEST_F(DiscoveryTest, AStoredListenerOfAVirtualAddressIsFollowedAndGivenUp) {
  constexpr char kVip[] = "10.9.0.1_80";
  clusters_ = Discovery::Clusters::kByName;
  StartControl({});
  const auto serve = [&](const std::string& prefix) {
    control_->Serve({{"post", TlsCluster("post")}}, {},
                    {{kVip, VipListener(kVip, "post", prefix)}});
  };
  serve("first");
  Start();
  discovery_->SubscribeToListeners({kVip});
  simulation_.RunFor(seconds(5));
  ASSERT_EQ(sidecar_->loader().listeners().size(), 1u) << log_text_;
  ASSERT_TRUE(sidecar_->loader().Current()->listeners.empty());

  Stop();
  transparent_ = true;
  ASSERT_TRUE(Start());
  simulation_.RunFor(seconds(5));
  EXPECT_EQ(Updates("accepted"), 0) << "what is held is not sent again";
  serve("second");
  simulation_.RunFor(seconds(5));
  EXPECT_EQ(Updates("accepted"), 1);
  simulation_.RunFor(minutes(16));
  EXPECT_TRUE(sidecar_->loader().listeners().empty()) << "it was not used";
  EXPECT_TRUE(sidecar_->loader().wanted_clusters().empty());
}

TEST_F(DiscoveryTest, AnUnreadableLastGoodFileIsTold) {
  std::ofstream(last_good_) << "\xff\xff\xff";
  EXPECT_FALSE(Start());
  EXPECT_NE(log_text_.find("last-good.pb is corrupt; starting without it"), std::string::npos)
      << log_text_;
}

}  // namespace
}  // namespace tulle::sidecar
