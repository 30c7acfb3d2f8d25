#include "control-plane/server/xds_source.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "certs/private_key.h"
#include "control-plane/policy/parse.h"
#include "envoy/config/core/v3/base.pb.h"
#include "net/grpc/server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "xds/client/ads_client.h"

namespace tulle::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kControl[] = "10.0.0.3:15012";

std::string IdOf(const std::string& account) {
  return "spiffe://cluster.local/ns/default/sa/" + account;
}

// A plaintext transport whose peer counts as verified; without a wire it is only asked who that is.
class Introduced final : public Transport {
 public:
  Introduced(std::unique_ptr<Transport> wire, PeerIdentity peer)
      : wire_(std::move(wire)), peer_(std::move(peer)) {}
  const PeerIdentity* peer() const override { return peer_.spiffe_id.empty() ? nullptr : &peer_; }
  void SetEvents(TransportEvents* events) override { wire_->SetEvents(events); }
  ReadResult Read(Buffer& into, size_t limit) override { return wire_->Read(into, limit); }
  void Write(Buffer& from) override { wire_->Write(from); }
  void EnableRead(bool enabled) override { wire_->EnableRead(enabled); }
  void ShutdownWrite() override { wire_->ShutdownWrite(); }
  void Close(bool reset) override { wire_->Close(reset); }
  Failure failure() const override { return wire_->failure(); }
  SocketAddress LocalAddress() const override { return wire_->LocalAddress(); }
  SocketAddress PeerAddress() const override {
    return wire_ == nullptr ? SocketAddress() : wire_->PeerAddress();
  }
  SocketAddress OriginalDestination() const override { return wire_->OriginalDestination(); }
  bool is_tls() const override { return wire_->is_tls(); }
  std::string_view alpn() const override { return wire_->alpn(); }
  std::string_view sni() const override { return wire_->sni(); }
  bool IsQuiet() override { return wire_->IsQuiet(); }
  uint64_t bytes_written() const override { return wire_->bytes_written(); }

 private:
  std::unique_ptr<Transport> wire_;
  const PeerIdentity peer_;
};

// A proxy's end of ADS: asks for all clusters and the roots, and rejects what it is told to.
class Proxy final : private xds::UpdateTarget, private xds::AdsClient::Events {
 public:
  Proxy(loop::Loop& loop, const std::string& node_id)
      : state_(NodeBytes(node_id), static_cast<xds::UpdateTarget&>(*this)),
        client_(
            loop,
            [&loop] {
              return PlainConnector().Connect(loop, *SocketAddress::ParseWithPort(kControl), {});
            },
            {}, state_, static_cast<xds::AdsClient::Events&>(*this)) {
    state_.SubscribeToAll(snapshot::kClusterType);
    state_.SubscribeToAll(snapshot::kListenerType);
    state_.Subscribe(snapshot::kSecretType, {"ROOTCA"});
    client_.Start();
  }
  std::string rejects;              // a resource's name
  std::vector<std::string> losses;  // reasons
  std::set<std::string> Held(std::string_view type_url) const {
    std::set<std::string> names;
    for (const auto& [name, version] : state_.versions(type_url)) names.insert(name);
    return names;
  }
  std::string VersionOf(std::string_view type_url, const std::string& name) const {
    const auto& versions = state_.versions(type_url);
    const auto found = versions.find(name);
    return found == versions.end() ? std::string() : found->second;
  }
  void Subscribe(std::string_view type_url, const std::set<std::string>& names) {
    state_.Subscribe(type_url, names);
    client_.Flush();
  }

 private:
  static std::string NodeBytes(const std::string& id) {
    envoy::config::core::v3::Node node;
    node.set_id(id);
    return node.SerializeAsString();
  }
  std::vector<xds::Rejection> OnUpdate(const xds::Update& update) override {
    std::vector<xds::Rejection> rejections;
    for (const xds::ReceivedResource& resource : update.resources) {
      if (resource.name == rejects) rejections.push_back({resource.name, "cannot be used"});
    }
    return rejections;
  }
  void OnAdsConnected() override {}
  void OnAdsLost(const std::string& reason, Failure) override { losses.push_back(reason); }

  xds::DeltaClient state_;
  xds::AdsClient client_;
};

class XdsSourceTest : public testing::Test, private loop::ListenerEvents {
 protected:
  XdsSourceTest() {
    loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.3"}));
    proxy_loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
    auto plane = ControlPlane::Open({}, *loop_, keys_, log_);
    EXPECT_TRUE(plane.ok()) << plane.status();
    plane_ = *std::move(plane);
    source_ = std::make_unique<XdsSource>(*loop_, *plane_);
    ads_ = std::make_unique<xds::AdsServer>(*loop_, *source_);
    source_->Serve(ads_.get());
    ads_->Register(services_);
    server_ = std::make_unique<grpc::Server>(*loop_, services_, grpc::ServerOptions{});
    int error = 0;
    listener_ = loop_->Listen(*SocketAddress::ParseWithPort(kControl), {}, *this, &error);
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    server_->Adopt(std::make_unique<Introduced>(PlainAcceptor().Accept(*loop_, std::move(socket)),
                                                next_peer_));
  }

  void Register(const std::string& account) {
    discovery::Workload workload;
    workload.id = account + "-1";
    workload.spiffe_id = IdOf(account);
    workload.address = "10.0.0.1";
    workload.services = {{"default", account}};
    workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
    const auto lease = plane_->registry().Register(std::move(workload), std::nullopt);
    ASSERT_TRUE(lease.ok()) << lease.status();
    lease_ = lease->id;
  }
  std::unique_ptr<Proxy> Dial(const std::string& account, const std::string& node_id) {
    next_peer_ = {};
    if (!account.empty()) next_peer_.spiffe_id = IdOf(account);
    return std::make_unique<Proxy>(*proxy_loop_, node_id);
  }
  std::unique_ptr<Proxy> Connect(const std::string& account, const std::string& node_id) {
    auto proxy = Dial(account, node_id);
    simulation_.RunFor(seconds(1));
    return proxy;
  }
  // As the control plane does after each step of a rotation.
  void SendRoots() {
    plane_->mesh_builder().SetTrustBundle(plane_->authority().trust_bundle_pem());
    plane_->mesh_builder().OnChange();
  }
  api::ProxyStatus StatusOf(const std::string& node_id) {
    const auto status = plane_->view().ProxyNamed(node_id);
    EXPECT_TRUE(status.has_value()) << node_id << " is not known";
    return status.value_or(api::ProxyStatus());
  }
  void Apply(const std::string& spec) {
    const policy::ParsedFile parsed = policy::ParseDocuments(
        "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec: " +
            spec,
        "f");
    ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
    policy::PolicySet policies = plane_->mesh_builder().mesh().policies;
    policies.Upsert(parsed.documents.at(0));
    plane_->mesh_builder().SetPolicies(std::move(policies));
    plane_->mesh_builder().OnChange();
  }
  static bool Ended(const Proxy& proxy, const std::string& reason) {
    return !proxy.losses.empty() && proxy.losses.front().find(reason) != std::string::npos;
  }

  sim::Simulation simulation_{1};
  certs::SeededKeySource keys_{1};
  telemetry::Log log_{telemetry::LogLevel::kError, telemetry::Log::Form::kText};
  std::unique_ptr<loop::Loop> loop_, proxy_loop_;
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<XdsSource> source_;
  std::unique_ptr<xds::AdsServer> ads_;
  grpc::ServiceRegistry services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<loop::Listener> listener_;
  PeerIdentity next_peer_;
  std::string lease_;
};

constexpr char kPostCluster[] = "outbound|80||post.default.svc.cluster.local";

TEST_F(XdsSourceTest, ARegisteredNodeGetsTheMesh) {
  Register("post");
  const auto proxy = Connect("post", "post-1");
  EXPECT_TRUE(proxy->losses.empty());
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).contains(kPostCluster));
  EXPECT_TRUE(StatusOf("post-1").is_connected);
  EXPECT_EQ(StatusOf("post-1").spiffe_id, IdOf("post"));
}

TEST_F(XdsSourceTest, WithoutACertificateThereIsNothing) {
  Register("post");
  const auto proxy = Connect("", "post-1");
  EXPECT_TRUE(Ended(*proxy, "xDS requires a certificate of the mesh")) << proxy->losses.front();
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).empty());
}

TEST_F(XdsSourceTest, ANodeOfAnotherIdentityIsRefused) {
  Register("post");
  const auto proxy = Connect("guest", "post-1");
  EXPECT_TRUE(Ended(*proxy, "node post-1 belongs to another identity")) << proxy->losses.front();
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).empty());
}

TEST_F(XdsSourceTest, ANodeIdWithControlCharactersIsRefused) {
  for (const char* id : {"two\nlines", "red\033[31m", "deleted\x7f"}) {
    const auto proxy = Connect("post", id);
    EXPECT_TRUE(Ended(*proxy, "invalid node.id: it contains a control character")) << id;
    EXPECT_FALSE(plane_->view().ProxyNamed(id).has_value()) << id;
  }
}

TEST_F(XdsSourceTest, ANodeCannotBeNamedAsAPod) {
  const auto proxy = Connect("post", "shop/web-1");
  EXPECT_TRUE(Ended(*proxy, "invalid node.id: it contains '/'"));
  EXPECT_FALSE(plane_->view().ProxyNamed("shop/web-1").has_value());
}

TEST_F(XdsSourceTest, ANodeThatIsNotRegisteredGetsTheRootsAlone) {
  Register("post");
  const auto proxy = Connect("guest", "guest-1");
  EXPECT_TRUE(proxy->losses.empty());
  EXPECT_EQ(proxy->Held(snapshot::kSecretType), std::set<std::string>{"ROOTCA"});
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).empty());
  // Registered, it gets the rest on the same stream.
  Register("guest");
  simulation_.RunFor(seconds(1));
  EXPECT_TRUE(proxy->losses.empty());
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).contains(kPostCluster));
}

// A proxy that is connected is alive, whatever its heartbeats say.
TEST_F(XdsSourceTest, ALeaseThatEndsTakesNothingFromAConnectedProxy) {
  Register("post");
  const auto proxy = Connect("post", "post-1");
  simulation_.RunFor(std::chrono::minutes(5));
  ASSERT_FALSE(plane_->mesh_builder().mesh().workloads.contains("post-1"));
  EXPECT_TRUE(proxy->losses.empty());
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).contains(kPostCluster));
  // And its name stays its own while it is there.
  const auto thief = Connect("guest", "post-1");
  EXPECT_TRUE(Ended(*thief, "belongs to another identity"));
}

TEST_F(XdsSourceTest, ANodeThatIsGoneIsForgotten) {
  Register("post");
  auto proxy = Connect("post", "post-1");
  ASSERT_TRUE(plane_->registry().Deregister(lease_, IdOf("post")).ok());
  proxy.reset();
  simulation_.RunFor(seconds(5));
  EXPECT_TRUE(source_->Proxies({}).empty());
  const auto other = Connect("guest", "post-1");
  EXPECT_TRUE(other->losses.empty());
}

TEST_F(XdsSourceTest, ARejectionIsShownWithItsReasonAndEndsWithTheRepair) {
  Register("post");
  const auto proxy = Connect("post", "post-1");
  proxy->rejects = kPostCluster;
  // A second identity behind the service changes its cluster.
  discovery::Workload second;
  second.id = "other-1";
  second.spiffe_id = IdOf("other");
  second.address = "10.0.0.2";
  second.services = {{"default", "post"}};
  second.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
  const auto lease = plane_->registry().Register(second, std::chrono::hours(1));
  ASSERT_TRUE(lease.ok()) << lease.status();
  simulation_.RunFor(seconds(2));
  const auto clusters_of = [&] {
    for (const auto& type : StatusOf("post-1").types) {
      if (type.type == "clusters") return type;
    }
    ADD_FAILURE() << "no clusters were sent";
    return api::ProxyStatus::TypeStatus();
  };
  EXPECT_EQ(clusters_of().rejected_resource, kPostCluster);
  EXPECT_NE(clusters_of().rejection.find("cannot be used"), std::string::npos);
  EXPECT_NE(clusters_of().sent_version, clusters_of().acknowledged_version);
  EXPECT_TRUE(StatusOf("post-1").is_connected);
  EXPECT_FALSE(StatusOf("post-1").is_synced);
  EXPECT_EQ(source_->counts().rejecting, 1);
  const auto brief = source_->Proxies({api::ControlPlaneView::Detail::kRejections});
  ASSERT_EQ(brief.size(), 2);
  EXPECT_TRUE(brief[0].types.empty()) << "other-1 rejects nothing";
  EXPECT_FALSE(brief[1].types.empty());
  // In pieces, as the API asks for them: other-1 is registered alone, post-1 is connected too.
  const auto first = source_->Proxies({.most = 1});
  ASSERT_EQ(first.size(), 1);
  EXPECT_EQ(first[0].name, "other-1");
  const auto rest = source_->Proxies({.after = "other-1", .most = 2});
  ASSERT_EQ(rest.size(), 1);
  EXPECT_EQ(rest[0].name, "post-1");
  EXPECT_TRUE(source_->Proxies({.after = "post-1"}).empty());
  proxy->rejects.clear();
  ASSERT_TRUE(plane_->registry().Deregister(lease->id, IdOf("other")).ok());
  simulation_.RunFor(seconds(2));
  EXPECT_EQ(clusters_of().rejection, "");
  EXPECT_EQ(clusters_of().sent_version, clusters_of().acknowledged_version);
  EXPECT_TRUE(StatusOf("post-1").is_synced);
  EXPECT_EQ(source_->counts().rejecting, 0);
}

// A second stream of a node takes the place of one whose end was not noticed yet.
TEST_F(XdsSourceTest, ARejectionEndsWithItsStream) {
  Register("post");
  auto former = Dial("post", "post-1");
  former->rejects = kPostCluster;
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(source_->counts().rejecting, 1);
  const auto proxy = Connect("post", "post-1");
  former.reset();
  simulation_.RunFor(seconds(5));
  EXPECT_EQ(source_->counts().rejecting, 0);
  EXPECT_TRUE(StatusOf("post-1").is_synced);
}

// From the first moment on: whoever reads "synced" may rely on what was told before.
TEST_F(XdsSourceTest, AProxyIsSyncedOnceItHasAcceptedWhatFollowsFromAllThatWasTold) {
  Register("post");
  const auto proxy = Dial("post", "post-1");
  EXPECT_FALSE(StatusOf("post-1").is_synced);
  int connected = 0;
  for (int i = 0; i < 10'000 && !StatusOf("post-1").is_synced; ++i) {
    connected += StatusOf("post-1").is_connected ? 1 : 0;
    simulation_.RunFor(std::chrono::microseconds(100));
  }
  EXPECT_GT(connected, 0);
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).contains(kPostCluster));
  EXPECT_FALSE(proxy->Held(snapshot::kListenerType).empty());
  EXPECT_TRUE(StatusOf("post-1").is_synced);
  // Two of a burst: the second would be built 50 ms later.
  for (const char* account : {"cart", "web"}) {
    Register(account);
    EXPECT_FALSE(StatusOf("post-1").is_synced) << account;
    const discovery::ServiceName name{"default", account};
    EXPECT_TRUE(plane_->mesh_builder().services().contains(name));
  }
  while (!StatusOf("post-1").is_synced) simulation_.RunFor(milliseconds(1));
  EXPECT_EQ(proxy->Held(snapshot::kClusterType).count("outbound|80||web.default.svc.cluster.local"),
            1);
}

TEST_F(XdsSourceTest, AnInstanceThatHasNotRegisteredYetIsNotSynced) {
  const auto proxy = Connect("post", "post-1");
  EXPECT_TRUE(StatusOf("post-1").is_connected);
  EXPECT_FALSE(StatusOf("post-1").is_synced);
  Register("post");
  simulation_.RunFor(seconds(1));
  EXPECT_TRUE(StatusOf("post-1").is_synced);
}

TEST_F(XdsSourceTest, TheConfigurationOfAProxyIsWhatItHolds) {
  Register("user");
  Register("post");
  const auto proxy = Connect("post", "post-1");
  const auto endpoints = [this] {
    std::set<std::string> names;
    for (const auto& [name, resource] : plane_->view().ConfigOf("post-1", snapshot::kEndpointType))
      names.insert(name);
    return names;
  };
  EXPECT_TRUE(endpoints().empty()) << "it has not asked for any";
  proxy->Subscribe(snapshot::kEndpointType, {kPostCluster});
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(endpoints(), std::set<std::string>{kPostCluster});
  const auto listeners = [this] {
    return plane_->view().ConfigOf("post-1", snapshot::kListenerType).size();
  };
  const size_t before = listeners();
  EXPECT_GT(before, 0);
  ASSERT_TRUE(plane_->registry().Deregister(lease_, IdOf("post")).ok());
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(listeners(), before) << "it is connected and keeps them";
}

TEST_F(XdsSourceTest, APolicyReachesAProxyWhoseLeaseHasEnded) {
  Register("post");
  const auto proxy = Connect("post", "post-1");
  ASSERT_TRUE(plane_->registry().Deregister(lease_, IdOf("post")).ok());
  simulation_.RunFor(seconds(1));
  const auto versions = [&] {
    std::set<std::string> all;
    for (const std::string& name : proxy->Held(snapshot::kListenerType))
      all.insert(proxy->VersionOf(snapshot::kListenerType, name));
    return all;
  };
  const auto before = versions();
  ASSERT_FALSE(before.empty());
  Apply("{targetRef: {kind: Service, name: post}, mode: STRICT}");
  simulation_.RunFor(seconds(1));
  EXPECT_NE(versions(), before);
}

// Whoever applies it is answered before the last proxy is served.
TEST_F(XdsSourceTest, APolicyOfTheMeshIsServedInSlices) {
  std::vector<std::unique_ptr<Proxy>> proxies;
  for (int i = 0; i < 40; ++i) {
    const std::string account = "a" + std::to_string(i);
    Register(account);
    proxies.push_back(Dial(account, account + "-1"));
    simulation_.RunFor(milliseconds(100));
  }
  simulation_.RunFor(seconds(1));
  const uint64_t before = ads_->touched();
  Apply("{targetRef: {kind: Mesh}, mode: STRICT}");
  EXPECT_GT(ads_->touched(), before);
  EXPECT_LE(ads_->touched() - before, 16);
  EXPECT_FALSE(StatusOf("a39-1").is_synced);
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(ads_->touched() - before, 40);
  EXPECT_TRUE(StatusOf("a39-1").is_synced);
}

// Counted, not timed: what a change costs is the streams that it touches.
TEST_F(XdsSourceTest, AChangeReachesOnlyTheNodesThatSubscribedToIt) {
  std::vector<std::unique_ptr<Proxy>> proxies;
  for (const char* account : {"user", "cart", "web"}) {
    Register(account);
    proxies.push_back(Connect(account, std::string(account) + "-1"));
  }
  Register("post");
  simulation_.RunFor(seconds(1));
  const uint64_t before = ads_->touched();
  // Not ready: its endpoint changes, to which no one has subscribed.
  ASSERT_TRUE(plane_->registry().Heartbeat(lease_, IdOf("post"), false).ok());
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(plane_->mesh_builder().mesh().workloads.at("post-1").health,
            discovery::Health::kUnhealthy);
  EXPECT_EQ(ads_->touched(), before);
  // It is gone, and with it a cluster, which all see.
  ASSERT_TRUE(plane_->registry().Deregister(lease_, IdOf("post")).ok());
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(ads_->touched(), before + 3);
  for (const auto& proxy : proxies) {
    EXPECT_FALSE(proxy->Held(snapshot::kClusterType).contains(kPostCluster));
  }
}

// Registered or not, a proxy that is there and has taken the new root is not waited for.
TEST_F(XdsSourceTest, AProxyThatIsNotRegisteredHoldsUpNoRotation) {
  Register("post");
  const auto post = Connect("post", "post-1");
  const auto guest = Connect("guest", "guest-1");
  ca::MeshAuthority& authority = plane_->authority();
  ASSERT_TRUE(authority.BeginRotation(plane_->Now()).ok());
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(authority.rotation().phase(), ca::RotationPhase::kAnnouncing)
      << "nobody has been sent it";
  SendRoots();
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(authority.rotation().phase(), ca::RotationPhase::kRenewing);
  EXPECT_EQ(authority.rotation().waiting(), (std::vector<std::string>{"guest-1", "post-1"}));
}

TEST_F(XdsSourceTest, AProxyWhoseLeaseHasEndedGetsNewRootsAllTheSame) {
  Register("post");
  const auto proxy = Connect("post", "post-1");
  ASSERT_TRUE(plane_->registry().Deregister(lease_, IdOf("post")).ok());
  simulation_.RunFor(seconds(1));
  ca::MeshAuthority& authority = plane_->authority();
  ASSERT_TRUE(authority.BeginRotation(plane_->Now()).ok());
  SendRoots();
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(authority.rotation().phase(), ca::RotationPhase::kRenewing);
  EXPECT_TRUE(proxy->Held(snapshot::kClusterType).contains(kPostCluster)) << "the rest it keeps";
}

TEST_F(XdsSourceTest, OneIdentityHasSoManyUnregisteredNodes) {
  PeerIdentity peer;
  peer.spiffe_id = IdOf("guest");
  const Introduced wire(nullptr, peer);
  const auto code_of = [&](const std::string& id) {
    envoy::config::core::v3::Node node;
    node.set_id(id);
    return source_->ViewFor(node, wire).status().code();
  };
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(code_of("g" + std::to_string(i)), absl::StatusCode::kOk) << i;
  }
  EXPECT_EQ(code_of("one-more"), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code_of("g7"), absl::StatusCode::kOk);
  Register("guest");
  simulation_.RunFor(std::chrono::milliseconds(100));
  EXPECT_EQ(code_of("guest-1"), absl::StatusCode::kOk) << "it is registered";
}

}  // namespace
}  // namespace tulle::server
