// The control plane with a Kubernetes cluster: when it serves, and who gets a certificate.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "certs/certificate.h"
#include "certs/csr.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "certs/testing/fixtures.h"
#include "certs/trust_bundle.h"
#include "control-plane/policy/kinds.h"
#include "control-plane/server/control_server.h"
#include "control-plane/snapshot/snapshot.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "k8s/api/testing/fake_api_server.h"
#include "net/grpc/channel.h"
#include "net/loop/sim/simulation.h"
#include "net/tls/sim_transports.h"
#include "tulle/ca/v1/ca.pb.h"

namespace tulle::server {
namespace {

namespace cav1 = ::tulle::ca::v1;

using k8s::testing::FakeApiServer;
using std::chrono::seconds;
using Json = nlohmann::json;

class KubernetesTest : public ::testing::Test, private grpc::ChannelEvents {
 protected:
  KubernetesTest()
      : api_loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.9"}))),
        loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}))),
        sidecar_loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.2"}))),
        cluster_ca_("cluster.local", 5, std::chrono::system_clock::to_time_t(simulation_.WallNow()),
                    certs::testing::TestKeys::kSeeded) {
    const certs::testing::TestIdentity identity = cluster_ca_.WebServer("kubernetes");
    tls::ServerTlsSpec spec;
    spec.identity =
        std::make_shared<tls::TlsIdentity>(tls::TlsIdentity{identity.chain, identity.key});
    spec.alpn = {"h2"};
    acceptor_ = *tls::SimTransports().NewAcceptor(spec);
    api_.emplace(*api_loop_, *acceptor_, *SocketAddress::ParseWithPort("10.0.0.9:6443"));
    api_->script = [this](FakeApiServer::Call& call) { return Answer(call); };
  }
  ~KubernetesTest() override {
    call_.reset();
    channel_.reset();
    server_.reset();
    api_.reset();
  }

  // An installation has the definitions of all kinds of policies.
  static Json Kinds() {
    Json list;
    for (const policy::KindEntry& kind : policy::AllKinds())
      list["resources"].push_back({{"name", std::string(kind.plural)}});
    return list;
  }
  bool Answer(FakeApiServer::Call& call) {
    if (is_down) return call.Answer(503, "{}"), true;
    if (call.method == "PATCH") {
      roots_written = Json::parse(call.body)["data"]["root-cert.pem"];
      return call.Answer(200, "{}"), true;
    }
    if (call.path == "/apis/tulle.dev/v1alpha1") return call.Answer(200, Kinds().dump()), true;
    if (call.method != "POST") return false;
    const std::string token = Json::parse(call.body)["spec"]["token"];
    Json review;
    review["status"]["error"] = "unknown token";
    if (const auto account = accounts.find(token); account != accounts.end()) {
      review["status"] = {{"authenticated", true}, {"audiences", {"tulle"}}};
      review["status"]["user"]["username"] = "system:serviceaccount:" + account->second;
    }
    return call.Answer(201, review.dump()), true;
  }

  void Start() {
    FrontendOptions doors;
    doors.grpc = *SocketAddress::Parse("10.0.0.1", 15012);
    doors.rest = *SocketAddress::Parse("10.0.0.1", 15016);
    doors.health = *SocketAddress::Parse("10.0.0.1", 15014);
    const k8s::Cluster cluster{
        "10.0.0.9", 6443, "kubernetes", {cluster_ca_.AnyDomainBundle().ToPem(), ""}, {"me", ""}};
    auto server =
        ControlServer::Open({}, doors, *loop_, tls::SimTransports(), keys_, log_, cluster);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  bool Until(const std::function<bool()>& condition) {
    return simulation_.RunUntil(condition, seconds(120)) == sim::Simulation::Outcome::kConditionMet;
  }
  void PutWeb() {
    api_->Put(
        "/api/v1/services", "shop", "web",
        {{"spec",
          {{"clusterIP", "10.96.0.7"},
           {"ports", {{{"name", "http"}, {"port", 80}}, {{"name", "grpc"}, {"port", 81}}}}}}});
    Json slice;
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = "web";
    slice["ports"] = {{{"name", "http"}, {"port", 8080}}, {{"name", "grpc"}, {"port", 8080}}};
    slice["endpoints"] = {
        {{"addresses", {"10.1.0.1"}}, {"targetRef", {{"kind", "Pod"}, {"uid", "uid-1"}}}},
        {{"addresses", {"192.0.2.1"}}}};
    api_->Put("/apis/discovery.k8s.io/v1/endpointslices", "shop", "web-a", slice);
  }
  void PutPod() {
    Json pod;
    pod["metadata"] = {{"uid", "uid-1"}, {"labels", {{"tulle.dev/meshed", "true"}}}};
    pod["status"]["podIP"] = "10.1.0.1";
    api_->Put("/api/v1/pods", "shop", "web-1", pod);
  }

  // A connection without a certificate.
  grpc::Status Certify(const std::string& token, cav1::CreateCertificateResponse* issued) {
    return Certify(token, nullptr, keys_.Generate(), issued);
  }
  grpc::Status Certify(const std::string& token, std::shared_ptr<const tls::TlsIdentity> identity,
                       const certs::PrivateKey& key, cav1::CreateCertificateResponse* issued) {
    tls::ClientTlsSpec spec;
    spec.identity = std::move(identity);
    spec.trust = std::make_shared<certs::TrustBundle>(*certs::TrustBundle::FromPem(
        "cluster.local", server_->plane().authority().trust_bundle_pem()));
    spec.alpn = {"h2"};
    grpc::ChannelOptions options;
    if (!token.empty()) options.metadata = {{"authorization", "Bearer " + token}};
    call_.reset();
    channel_.emplace(
        *sidecar_loop_,
        [this, connector = *tls::SimTransports().NewConnector(spec)] {
          return connector->Connect(*sidecar_loop_, server_->frontend().grpc_address(), {});
        },
        options, static_cast<grpc::ChannelEvents&>(*this));
    channel_->Start();
    EXPECT_TRUE(Until([&] { return channel_->ready(); }));
    cav1::CreateCertificateRequest request;
    request.set_csr_pem(certs::BuildCertificateRequest(
        key, *certs::SpiffeId::ForWorkload("cluster.local", "x", "y")));
    std::optional<grpc::Status> status;
    call_ = channel_->NewUnaryCall("/tulle.ca.v1.CertificateAuthority/CreateCertificate",
                                   request.SerializeAsString(), seconds(20),
                                   [&](const grpc::Status& s, const std::string& bytes) {
                                     issued->ParseFromString(bytes);
                                     status = s;
                                   });
    EXPECT_TRUE(Until([&] { return status.has_value(); }));
    return *status;
  }
  void OnChannelReady() override {}
  void OnChannelLost(Failure) override {}

  sim::Simulation simulation_{5};
  certs::SeededKeySource keys_{5};
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::unique_ptr<loop::Loop> api_loop_, loop_, sidecar_loop_;
  certs::testing::TestCa cluster_ca_;
  std::shared_ptr<const tls::SecureAcceptor> acceptor_;
  std::optional<FakeApiServer> api_;
  bool is_down = false;
  std::map<std::string, std::string> accounts;  // NAMESPACE:NAME by token
  std::string roots_written;
  std::unique_ptr<ControlServer> server_;
  std::optional<grpc::Channel> channel_;
  std::unique_ptr<grpc::UnaryCall> call_;
};

TEST_F(KubernetesTest, ServesWhenTheClusterIsInTheMesh) {
  PutPod();
  is_down = true;
  Start();
  simulation_.RunFor(seconds(10));
  EXPECT_FALSE(server_->plane().is_synced());
  is_down = false;
  ASSERT_TRUE(Until([&] { return server_->plane().is_synced(); }));
  EXPECT_EQ(server_->plane().mesh_builder().mesh().workloads.at("uid-1").spiffe_id,
            "spiffe://cluster.local/ns/shop/sa/default");
  // From then on it serves what it knows.
  is_down = true;
  simulation_.RunFor(seconds(60));
  EXPECT_TRUE(server_->plane().is_synced());
  EXPECT_EQ(server_->plane().mesh_builder().mesh().workloads.size(), 1u);
}

TEST_F(KubernetesTest, SidecarsGetServicesByClusterIpAndPodsByTheirOwnAddress) {
  PutPod();
  PutWeb();
  Start();
  ASSERT_TRUE(Until([&] { return server_->plane().is_synced(); }));
  MeshBuilder& mesh = server_->plane().mesh_builder();
  EXPECT_TRUE(mesh.shared().vip_listeners().contains("10.96.0.7_80"));
  EXPECT_TRUE(mesh.shared().vip_listeners().contains("10.96.0.7_81"));
  EXPECT_NE(mesh.shared().MemberListener("10.1.0.1_8080"), nullptr);
  EXPECT_EQ(mesh.shared().MemberListener("192.0.2.1_8080"), nullptr) << "it has no sidecar";
  const auto& endpoints = mesh.shared().endpoints();
  ASSERT_TRUE(endpoints.contains("outbound|80||web.shop.svc.cluster.local"));
  // Both service ports lead to one port of the pod: one filter chain for each kind of connection.
  const auto inbound = server_->plane().view().ConfigOf("uid-1", snapshot::kListenerType);
  ASSERT_TRUE(inbound.contains("virtualInbound"));
  std::map<std::string, int> chains;
  envoy::config::listener::v3::Listener listener;
  ASSERT_TRUE(listener.ParseFromString(inbound.at("virtualInbound")->bytes));
  for (const auto& chain : listener.filter_chains()) {
    EXPECT_EQ(++chains[chain.name()], 1) << chain.name();
  }
  EXPECT_TRUE(chains.contains("8080|mesh-http"));
  // What has no sidecar is no proxy.
  EXPECT_EQ(server_->plane().view().Proxies({}).size(), 1u);
}

TEST_F(KubernetesTest, AServiceAccountsTokenBecomesACertificate) {
  accounts["h.good.s"] = "shop:web";
  Start();
  ASSERT_TRUE(Until([&] { return server_->plane().is_synced(); }));
  cav1::CreateCertificateResponse issued;
  const grpc::Status status = Certify("h.good.s", &issued);
  ASSERT_TRUE(status.ok()) << status.message;
  EXPECT_EQ(issued.spiffe_id(), "spiffe://cluster.local/ns/shop/sa/web");
}

// Otherwise a copied key would be good for ever, after the pod and its account are gone.
TEST_F(KubernetesTest, TheCertificateOfAPodRenewsNothing) {
  accounts["h.good.s"] = "shop:web";
  Start();
  ASSERT_TRUE(Until([&] { return server_->plane().is_synced(); }));
  const certs::PrivateKey key = keys_.Generate();
  cav1::CreateCertificateResponse issued;
  ASSERT_TRUE(Certify("h.good.s", nullptr, key, &issued).ok());
  const auto identity = std::make_shared<tls::TlsIdentity>(
      tls::TlsIdentity{*certs::ParsePemCertificates(issued.certificate_chain(0)), key});
  for (const char* token : {"", "h.good.s"}) {
    const grpc::Status status = Certify(token, identity, key, &issued);
    EXPECT_EQ(status.code, grpc::Code::kPermissionDenied) << token;
    EXPECT_TRUE(absl::StrContains(status.message, "has not joined with a join token"))
        << status.message;
  }
}

TEST_F(KubernetesTest, OtherTokensGetNone) {
  accounts["h.control.s"] = "tulle-system:tulle-control";
  accounts["h.viewer.s"] = "tulle-system:tulle-viewer";
  Start();
  ASSERT_TRUE(Until([&] { return server_->plane().is_synced(); }));
  cav1::CreateCertificateResponse issued;
  grpc::Status status = Certify("h.bad.s", &issued);
  EXPECT_EQ(status.code, grpc::Code::kUnauthenticated);
  EXPECT_TRUE(absl::StrContains(status.message, "unknown token")) << status.message;
  status = Certify("h.control.s", &issued);
  EXPECT_EQ(status.code, grpc::Code::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(status.message, "control plane's own")) << status.message;
  EXPECT_EQ(Certify("h.viewer.s", &issued).code, grpc::Code::kPermissionDenied);
  // A join token is not reviewed.
  status = Certify("tulle1.00.11", &issued);
  EXPECT_EQ(status.code, grpc::Code::kUnauthenticated);
  EXPECT_FALSE(absl::StrContains(status.message, "service account")) << status.message;
  is_down = true;
  EXPECT_EQ(Certify("h.any.s", &issued).code, grpc::Code::kUnavailable);
}

TEST_F(KubernetesTest, NewRootsReachTheNamespaces) {
  Json shop;
  shop["metadata"]["labels"]["tulle.dev/inject"] = "enabled";
  api_->Put("/api/v1/namespaces", "", "shop", shop);
  Start();
  ASSERT_TRUE(Until([&] { return !roots_written.empty(); }));
  EXPECT_EQ(roots_written, server_->plane().authority().trust_bundle_pem());
}

}  // namespace
}  // namespace tulle::server
