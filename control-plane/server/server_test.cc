// A sidecar's first minutes against the whole control plane, in one simulated process: token,
// certificate, registration, heartbeats; and the REST API beside it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "certs/certificate.h"
#include "certs/csr.h"
#include "certs/trust_bundle.h"
#include "control-plane/insight/respondents.h"
#include "control-plane/policy/policy_index.h"
#include "control-plane/server/control_plane.h"
#include "control-plane/server/frontend.h"
#include "control-plane/server/grpc_services.h"
#include "control-plane/store/sqlite_store.h"
#include "net/base/arena.h"
#include "net/grpc/channel.h"
#include "net/http/head.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transport.h"
#include "net/tls/sim_transports.h"
#include "tulle/ca/v1/ca.pb.h"
#include "tulle/insight/v1/insight.pb.h"
#include "tulle/registry/v1/registry.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::server {
namespace {

namespace cav1 = ::tulle::ca::v1;
namespace registryv1 = ::tulle::registry::v1;

using std::chrono::seconds;

// One gRPC client of the control plane with or without a certificate.
class Client : private grpc::ChannelEvents {
 public:
  Client(sim::Simulation& simulation, loop::Loop& loop, SocketAddress to, tls::ClientTlsSpec spec,
         const std::string& token)
      : simulation_(simulation),
        loop_(loop),
        channel_(loop, Dial(to, spec), Options(token), *this) {
    channel_.Start();
  }

  template <typename Response, typename Request>
  grpc::Status Call(const char* path, const Request& request, Response* response) {
    std::optional<grpc::Status> done;
    simulation_.RunUntil([this] { return channel_.ready(); }, seconds(40));
    if (!channel_.ready()) return {grpc::Code::kUnavailable, "not connected"};
    call_ = channel_.NewUnaryCall(path, request.SerializeAsString(), seconds(5),
                                  [&](const grpc::Status& status, std::string bytes) {
                                    done = status;
                                    response->ParseFromString(bytes);
                                  });
    simulation_.RunUntil([&] { return done.has_value(); }, seconds(20));
    call_.reset();
    return done.value_or(grpc::Status{grpc::Code::kUnavailable, "no answer"});
  }

  // A call that stays open, over the same connection as the others.
  class Stream final : private grpc::ClientCallEvents {
   public:
    Stream(grpc::Channel& channel, const char* path) : call_(channel.NewCall(path, *this)) {
      call_->Read();
    }
    const std::optional<grpc::Status>& end() const { return end_; }
    void Send(const google::protobuf::MessageLite& message) {
      call_->Send(message.SerializeAsString());
    }

   private:
    void OnMessage(std::string) override { call_->Read(); }
    void OnFinished(const grpc::Status& status) override { end_ = status; }

    std::optional<grpc::Status> end_;
    std::unique_ptr<grpc::ClientCall> call_;
  };
  std::unique_ptr<Stream> OpenStream(const char* path) {
    simulation_.RunUntil([this] { return channel_.ready(); }, seconds(40));
    return std::make_unique<Stream>(channel_, path);
  }

 private:
  grpc::Channel::Connect Dial(SocketAddress to, tls::ClientTlsSpec spec) {
    spec.alpn = {"h2"};
    auto connector = tls::SimTransports().NewConnector(spec);
    EXPECT_TRUE(connector.ok()) << connector.status();
    return [this, to, connector = *connector] {
      return connector->Connect(loop_, to, SocketAddress());
    };
  }
  static grpc::ChannelOptions Options(const std::string& token) {
    grpc::ChannelOptions options;
    if (!token.empty()) options.metadata = {{"authorization", "Bearer " + token}};
    return options;
  }
  void OnChannelReady() override {}
  void OnChannelLost(Failure) override {}

  sim::Simulation& simulation_;
  loop::Loop& loop_;
  grpc::Channel channel_;
  std::unique_ptr<grpc::UnaryCall> call_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    char folder[] = "/tmp/tulle-control-XXXXXX";
    data_dir_ = mkdtemp(folder);
    loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
    client_loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.2"}));
    Start();
  }
  ~ServerTest() override {
    Stop();
    std::filesystem::remove_all(data_dir_);
  }

  tls::ClientTlsSpec Trusting() {
    tls::ClientTlsSpec spec;
    spec.trust = std::make_shared<certs::TrustBundle>(
        *certs::TrustBundle::FromPem("cluster.local", plane_->authority().trust_bundle_pem()));
    return spec;
  }

  std::unique_ptr<Client> NewClient(const tls::ClientTlsSpec& spec, const std::string& token = "") {
    return std::make_unique<Client>(simulation_, *client_loop_, frontend_->grpc_address(), spec,
                                    token);
  }

  // A client with the SVID of the account, and its CreateCertificate answer in `issued`.
  std::unique_ptr<Client> EnrolledClient(const std::string& token,
                                         cav1::CreateCertificateResponse* issued) {
    const certs::PrivateKey key = keys_.Generate();
    cav1::CreateCertificateRequest request;
    request.set_csr_pem(certs::BuildCertificateRequest(
        key, *certs::SpiffeId::ForWorkload("cluster.local", "default", "somebody-else")));
    const grpc::Status status =
        NewClient(Trusting(), token)
            ->Call("/tulle.ca.v1.CertificateAuthority/CreateCertificate", request, issued);
    EXPECT_TRUE(status.ok()) << status.message;
    tls::ClientTlsSpec spec = Trusting();
    spec.identity = std::make_shared<tls::TlsIdentity>(
        tls::TlsIdentity{*certs::ParsePemCertificates(issued->certificate_chain(0)), key});
    return NewClient(spec);
  }

  api::ApiResponse Api(const std::string& method, const std::string& path,
                       const std::string& body) {
    std::string credential;
    std::ifstream(data_dir_ + "/admin-credential") >> credential;
    return plane_->HandleApi({method, path, {}, body, "Bearer " + credential});
  }

  std::string TokenFor(const std::string& account, const std::string& services) {
    const api::ApiResponse response = Api(
        "POST", "/v1/tokens", R"({"account":")" + account + R"(","services":[)" + services + "]}");
    EXPECT_EQ(response.status, 201) << response.body;
    return nlohmann::json::parse(response.body)["token"].get<std::string>();
  }

  absl::Status TryStart(bool ignores_unreadable) {
    ControlPlaneOptions options;
    options.data_dir = data_dir_;
    options.ignore_unreadable_policies = ignores_unreadable;
    return ControlPlane::Open(options, *loop_, keys_, log_).status();
  }
  void StorePolicy(const std::string& key, const std::string& value) {
    store::Transaction transaction("later version", 1);
    transaction.Put(store::Collection::kPolicy, key, value);
    ASSERT_TRUE((*store::SqliteStore::Open(data_dir_ + "/tulle.db"))->Commit(transaction).ok());
  }

  void Start() {
    ControlPlaneOptions options;
    options.data_dir = data_dir_;
    auto plane = ControlPlane::Open(options, *loop_, keys_, log_);
    ASSERT_TRUE(plane.ok()) << plane.status();
    plane_ = *std::move(plane);
    services_ = grpc::ServiceRegistry();
    AddCertificateAuthority(*loop_, plane_.get(), &services_);
    AddRegistry(plane_.get(), &services_);
    AddInsight(plane_.get(), loop_.get(), &services_);
    FrontendOptions doors;
    doors.grpc = *SocketAddress::Parse("10.0.0.1", 15012);
    doors.rest = *SocketAddress::Parse("10.0.0.1", 15016);
    doors.health = *SocketAddress::Parse("10.0.0.1", 15014);
    auto frontend =
        Frontend::Open(doors, *loop_, *plane_, services_, tls::SimTransports(), keys_, log_);
    ASSERT_TRUE(frontend.ok()) << frontend.status();
    frontend_ = *std::move(frontend);
  }

  void Stop() {
    frontend_.reset();
    plane_.reset();
  }

  sim::Simulation simulation_{7};
  certs::SeededKeySource keys_{7};
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::string data_dir_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<loop::Loop> client_loop_;
  grpc::ServiceRegistry services_;
  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<Frontend> frontend_;
};

registryv1::RegisterRequest PostInstance() {
  registryv1::RegisterRequest request;
  request.set_instance_id("post-1");
  registryv1::Port* port = request.add_ports();
  port->set_number(15080);
  port->set_application_port(8080);
  port->set_service_port(80);
  port->set_protocol("http");
  request.mutable_outbound()->set_http_port(15001);
  return request;
}

TEST_F(ServerTest, ATokenBecomesACertificateAndARegistration) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post-v1", R"("post","post-v1")"), &issued);
  EXPECT_EQ(issued.spiffe_id(), "spiffe://cluster.local/ns/default/sa/post-v1");
  registryv1::RegisterResponse registered;
  const grpc::Status status =
      client->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered);
  ASSERT_TRUE(status.ok()) << status.message;
  simulation_.RunFor(seconds(1));
  const discovery::Workload& workload = plane_->mesh_builder().mesh().workloads.at("post-1");
  EXPECT_EQ(workload.spiffe_id, issued.spiffe_id());
  EXPECT_EQ(workload.address, "10.0.0.2");
  EXPECT_EQ(workload.services.size(), 2);
  EXPECT_TRUE(plane_->view().ConfigOf("post-1", snapshot::kListenerType).contains("inbound|15080"));

  registryv1::HeartbeatRequest beat;
  beat.set_lease_id(registered.lease_id());
  beat.set_ready(true);
  registryv1::HeartbeatResponse answer;
  EXPECT_TRUE(client->Call("/tulle.registry.v1.Registry/Heartbeat", beat, &answer).ok());
  EXPECT_EQ(answer.ttl().seconds(), 15);

  // Silence: unhealthy after one ttl, gone after three.
  simulation_.RunFor(seconds(17));
  EXPECT_EQ(plane_->mesh_builder().mesh().workloads.at("post-1").health,
            discovery::Health::kUnhealthy);
  simulation_.RunFor(seconds(31));
  EXPECT_TRUE(plane_->mesh_builder().mesh().workloads.empty());
}

// The API server names pods: a sidecar that could say that it is one would get its facts.
TEST_F(ServerTest, AWorkloadDoesNotSayWhichPodItIs) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post-v1", R"("post")"), &issued);
  registryv1::RegisterRequest request = PostInstance();
  (*request.mutable_metadata())["tulle.dev/pod"] = "default/bank-0";
  (*request.mutable_metadata())["version"] = "v1";
  registryv1::RegisterResponse registered;
  ASSERT_TRUE(client->Call("/tulle.registry.v1.Registry/Register", request, &registered).ok());
  simulation_.RunFor(seconds(1));
  const discovery::Workload& workload = plane_->mesh_builder().mesh().workloads.at("post-1");
  EXPECT_EQ(workload.metadata, (std::map<std::string, std::string>{{"version", "v1"}}));
}

// Limits of reports and answers are of each stream.
TEST_F(ServerTest, AConnectionHasOneInsightStream) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post-v1", R"("post")"), &issued);
  const auto other = EnrolledClient(TokenFor("image-v1", R"("image")"), &issued);
  auto first = client->OpenStream(kInsightPath);
  simulation_.RunFor(seconds(1));
  ASSERT_FALSE(first->end().has_value());
  const auto second = client->OpenStream(kInsightPath);
  const auto elsewhere = other->OpenStream(kInsightPath);
  simulation_.RunFor(seconds(1));
  ASSERT_TRUE(second->end().has_value());
  EXPECT_EQ(second->end()->code, grpc::Code::kResourceExhausted);
  EXPECT_FALSE(first->end().has_value()) << "the refused one ends nothing of the first";
  EXPECT_FALSE(elsewhere->end().has_value());
  // The place of one that has ended is free; that of a refused one never was.
  first.reset();
  simulation_.RunFor(seconds(1));
  const auto again = client->OpenStream(kInsightPath);
  simulation_.RunFor(seconds(1));
  EXPECT_FALSE(again->end().has_value());
}

struct AnswerCounter final : insight::Asker {
  void OnGone(insight::Respondent&) override {}
  bool OnAnswer(insight::Respondent&, insight::v1::Answer& answer) override {
    records += answer.requests_size();
    return true;
  }
  int records = 0;
};

TEST_F(ServerTest, AnswersAreTakenToWhatWasAskedAndNothingElse) {
  AnswerCounter counter;
  plane_->respondents().Add(counter);
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post-v1", R"("post")"), &issued);
  const auto stream = client->OpenStream(kInsightPath);
  simulation_.RunFor(seconds(1));
  const auto answer = [&](uint32_t question, int records, bool is_last = true) {
    insight::v1::FromSidecar message;
    message.mutable_answer()->set_question(question);
    message.mutable_answer()->set_is_last(is_last);
    for (int i = 0; i < records; ++i) message.mutable_answer()->add_requests();
    stream->Send(message);
    simulation_.RunFor(std::chrono::milliseconds(400));
  };
  const auto ask = [&](uint32_t id) {
    insight::v1::ToSidecar message;
    message.mutable_question()->set_id(id);
    message.mutable_question()->mutable_find();
    ASSERT_EQ(plane_->respondents().all().size(), 1u);
    ASSERT_TRUE((*plane_->respondents().all().begin())->Send(message));
  };
  answer(1, 10);
  EXPECT_EQ(counter.records, 0) << "nobody has asked";
  ask(1);
  answer(2, 10);
  EXPECT_EQ(counter.records, 0);
  answer(1, 3, false);
  answer(1, 2);
  EXPECT_EQ(counter.records, 3 + 2);
  answer(1, 10);
  EXPECT_EQ(counter.records, 5) << "the last one was the last one";
  ask(2);
  simulation_.RunFor(seconds(3));
  answer(2, 10);
  EXPECT_EQ(counter.records, 5) << "too late";
  EXPECT_FALSE(stream->end().has_value());
  ask(3);
  answer(3, 5000);
  simulation_.RunFor(seconds(3));
  EXPECT_EQ(counter.records, 5);
  ASSERT_TRUE(stream->end().has_value()) << "no sidecar sends so many";
  EXPECT_EQ(stream->end()->code, grpc::Code::kInvalidArgument);
}

TEST_F(ServerTest, WhatHappensToAWorkloadBecomesEvents) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post", R"("post")"), &issued);
  registryv1::RegisterResponse registered;
  const auto enter = [&](const registryv1::RegisterRequest& request) {
    return client->Call("/tulle.registry.v1.Registry/Register", request, &registered).ok();
  };
  ASSERT_TRUE(enter(PostInstance()));
  ASSERT_TRUE(enter(PostInstance()));
  registryv1::RegisterRequest wrong = PostInstance();
  wrong.set_service("payment");
  EXPECT_FALSE(enter(wrong));
  cav1::CreateCertificateRequest request;
  EXPECT_FALSE(NewClient(Trusting(), "tulle1.nothing")
                   ->Call("/tulle.ca.v1.CertificateAuthority/CreateCertificate", request, &issued)
                   .ok());
  simulation_.RunFor(seconds(60));
  EXPECT_EQ(Api("POST", "/v1/certs/rotate", "{}").status, 200);
  std::vector<std::string> seen;
  for (const insight::Event& event : plane_->events().Since(0)) {
    seen.push_back(event.reason + " " + event.subject.kind + " " + event.subject.name);
    EXPECT_EQ(event.message.find("tulle1.nothing"), std::string::npos) << event.message;
  }
  const auto has = [&](const std::string& event) {
    return std::find(seen.begin(), seen.end(), event) != seen.end();
  };
  for (const char* event :
       {"JoinTokenCreated Identity post", "CertificateIssued Identity post",
        "ProxyRegistered Proxy post-1", "ProxyRestarted Proxy post-1",
        "RegistrationRefused Proxy post-1", "CallRefused Host 10.0.0.2",
        "ProxyUnhealthy Proxy post-1", "ProxyRemoved Proxy post-1",
        "RootRotationRequested Root cluster.local", "RootRotation Root cluster.local"}) {
    EXPECT_TRUE(has(event)) << event << " of " << nlohmann::json(seen);
  }
}

TEST_F(ServerTest, AnEvictedIdentityIsOutUntilItJoinsWithANewToken) {
  const std::string token = TokenFor("post", R"("post")");
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(token, &issued);
  cav1::CreateCertificateResponse other_issued;
  const auto other = EnrolledClient(TokenFor("payment", R"("payment")"), &other_issued);
  registryv1::RegisterResponse registered;
  ASSERT_TRUE(
      client->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered).ok());
  simulation_.RunFor(seconds(1));

  const api::ApiResponse evicted =
      Api("POST", "/v1/evictions", R"({"account":"post","namespace":"default"})");
  ASSERT_EQ(evicted.status, 200) << evicted.body;
  const auto json = nlohmann::json::parse(evicted.body);
  EXPECT_EQ(json["instances"], nlohmann::json::array({"post-1"}));
  EXPECT_EQ(json["certificates"], 1);
  EXPECT_EQ(json["tokens"], 1);
  simulation_.RunFor(seconds(1));
  EXPECT_TRUE(plane_->mesh_builder().mesh().workloads.empty());

  // Neither on its connection, nor on a new one, nor with the token that it came with.
  registryv1::HeartbeatRequest beat;
  beat.set_lease_id(registered.lease_id());
  registryv1::HeartbeatResponse answer;
  EXPECT_FALSE(client->Call("/tulle.registry.v1.Registry/Heartbeat", beat, &answer).ok());
  simulation_.RunFor(seconds(5));
  EXPECT_FALSE(
      client->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered).ok());
  cav1::CreateCertificateRequest request;
  request.set_csr_pem(certs::BuildCertificateRequest(
      keys_.Generate(), *certs::SpiffeId::ForWorkload("cluster.local", "default", "post")));
  EXPECT_EQ(NewClient(Trusting(), token)
                ->Call("/tulle.ca.v1.CertificateAuthority/CreateCertificate", request, &issued)
                .code,
            grpc::Code::kUnauthenticated);

  // Others are not disturbed, and a new token brings the identity back.
  registryv1::RegisterRequest payment = PostInstance();
  payment.set_instance_id("payment-1");
  EXPECT_TRUE(other->Call("/tulle.registry.v1.Registry/Register", payment, &registered).ok());
  const auto again = EnrolledClient(TokenFor("post", R"("post")"), &issued);
  EXPECT_TRUE(
      again->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered).ok());

  EXPECT_EQ(Api("POST", "/v1/evictions", R"({"account":"nobody"})").status, 404);
}

TEST_F(ServerTest, AnAdminRegistersAWorkloadWhoseProxyDoesNot) {
  const std::string body =
      R"({"account":"post","id":"post-envoy","address":"10.0.0.9","services":["post"],)"
      R"("inbound":[{"listenPort":18080,"applicationPort":8080,"servicePort":80}]})";
  const api::ApiResponse created = Api("POST", "/v1/workloads", body);
  ASSERT_EQ(created.status, 201) << created.body;
  simulation_.RunFor(seconds(1));
  const auto& workloads = plane_->mesh_builder().mesh().workloads;
  EXPECT_EQ(workloads.at("post-envoy").spiffe_id, "spiffe://cluster.local/ns/default/sa/post");
  simulation_.RunFor(seconds(600));
  EXPECT_EQ(workloads.at("post-envoy").health, discovery::Health::kUnhealthy);
  // Whom it is for is the admin's word alone.
  EXPECT_EQ(Api("POST", "/v1/workloads", R"({"account":"a","spiffeId":"spiffe://x"})").status, 400);
  EXPECT_EQ(Api("POST", "/v1/workloads", R"({"account":"a","id":"x","address":"nowhere"})").status,
            400);
  EXPECT_EQ(Api("DELETE", "/v1/workloads/post-envoy", "").status, 200);
  EXPECT_EQ(Api("DELETE", "/v1/workloads/post-envoy", "").status, 404);
}

class RevokedPeer final : public Transport {
 public:
  RevokedPeer(const std::string& spiffe_id, const certs::Certificate& leaf) : der_(leaf.der()) {
    peer_.spiffe_id = spiffe_id;
    peer_.certificate_sha256 = leaf.sha256();
  }
  const PeerIdentity* peer() const override { return &peer_; }
  std::vector<std::string_view> peer_chain() const override { return {der_}; }
  SocketAddress PeerAddress() const override { return *SocketAddress::Parse("10.0.0.2", 40000); }
  bool is_tls() const override { return true; }
  std::string_view alpn() const override { return "h2"; }

  // Not used.
  void SetEvents(TransportEvents*) override {}
  ReadResult Read(Buffer&, size_t) override { return {ReadStatus::kWouldBlock}; }
  void Write(Buffer&) override {}
  void EnableRead(bool) override {}
  void ShutdownWrite() override {}
  void Close(bool) override {}
  Failure failure() const override { return {}; }
  SocketAddress LocalAddress() const override { return {}; }
  SocketAddress OriginalDestination() const override { return {}; }
  std::string_view sni() const override { return {}; }
  bool IsQuiet() override { return true; }
  uint64_t bytes_written() const override { return 0; }

 private:
  PeerIdentity peer_;
  std::string der_;
};

// A call that arrives on a connection between the eviction and its end: the certificate that its
// handshake verified does not admit it any more.
TEST_F(ServerTest, ARevokedCertificateAdmitsNoCall) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post", R"("post")"), &issued);
  const auto leaf = certs::ParsePemCertificates(issued.certificate_chain(0))->front();
  const RevokedPeer peer(issued.spiffe_id(), leaf);
  const auto admit = [&](std::string_view path) {
    Arena arena(loop_->slab());
    http::Head head(arena);
    head.path = path;
    return AdmitCall(*plane_, head, peer).code;
  };
  constexpr std::string_view kCalls[] = {xds::kDeltaPath,
                                         "/tulle.ca.v1.CertificateAuthority/CreateCertificate",
                                         "/tulle.registry.v1.Registry/Register"};
  for (const std::string_view path : kCalls) EXPECT_EQ(admit(path), grpc::Code::kOk) << path;
  ASSERT_EQ(Api("POST", "/v1/evictions", R"({"account":"post","namespace":"default"})").status,
            200);
  for (const std::string_view path : kCalls)
    EXPECT_EQ(admit(path), grpc::Code::kUnauthenticated) << path;
}

TEST_F(ServerTest, ARestartKeepsWorkloadsRootsAndLeases) {
  cav1::CreateCertificateResponse issued;
  auto client = EnrolledClient(TokenFor("post", R"("post")"), &issued);
  registryv1::RegisterResponse registered;
  ASSERT_TRUE(
      client->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered).ok());
  const std::string bundle = plane_->authority().trust_bundle_pem();
  simulation_.RunFor(seconds(10));
  Stop();
  simulation_.RunFor(seconds(60));  // longer than three ttls
  Start();
  EXPECT_EQ(plane_->authority().trust_bundle_pem(), bundle);
  EXPECT_EQ(plane_->mesh_builder().mesh().workloads.at("post-1").health,
            discovery::Health::kHealthy);
  registryv1::HeartbeatRequest beat;
  beat.set_lease_id(registered.lease_id());
  beat.set_ready(true);
  registryv1::HeartbeatResponse answer;
  const grpc::Status status = client->Call("/tulle.registry.v1.Registry/Heartbeat", beat, &answer);
  EXPECT_TRUE(status.ok()) << status.message;
}

TEST_F(ServerTest, StrangersGetNothing) {
  cav1::CreateCertificateRequest request;
  request.set_csr_pem(certs::BuildCertificateRequest(
      keys_.Generate(), *certs::SpiffeId::ForWorkload("cluster.local", "default", "a")));
  cav1::CreateCertificateResponse issued;
  for (const std::string& token : {std::string(), std::string("tulle1.x.y")}) {
    const grpc::Status status =
        NewClient(Trusting(), token)
            ->Call("/tulle.ca.v1.CertificateAuthority/CreateCertificate", request, &issued);
    EXPECT_EQ(status.code, grpc::Code::kUnauthenticated);
  }
  registryv1::RegisterResponse registered;
  EXPECT_EQ(NewClient(Trusting())
                ->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered)
                .code,
            grpc::Code::kUnauthenticated);
}

TEST_F(ServerTest, AServiceOutsideTheGrantIsRefused) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("guest", R"("guest")"), &issued);
  registryv1::RegisterRequest request = PostInstance();
  request.set_service("payment");
  registryv1::RegisterResponse registered;
  EXPECT_EQ(client->Call("/tulle.registry.v1.Registry/Register", request, &registered).code,
            grpc::Code::kPermissionDenied);
}

// Left out it would let through what it forbids: better nobody starts, for sidecars go on with what
// they have.
TEST_F(ServerTest, APolicyThatRestrictsAndCannotBeReadStopsTheStart) {
  Stop();
  StorePolicy("HTTPRoute/default/web", "{");
  EXPECT_TRUE(TryStart(false).ok()) << "a route restricts nobody";
  StorePolicy("AuthorizationPolicy/default/guard", "{");
  StorePolicy("PeerAuthentication/default/all", "{}");
  const absl::Status refused = TryStart(false);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  for (const char* part : {"AuthorizationPolicy/default/guard: ",
                           "PeerAuthentication/default/all: ", "--ignore-unreadable-policies"}) {
    EXPECT_NE(refused.message().find(part), absl::string_view::npos) << refused;
  }
  EXPECT_EQ(refused.message().find("HTTPRoute/default/web"), absl::string_view::npos) << refused;
  EXPECT_TRUE(TryStart(true).ok());
}

// One that is larger than any honest one neither enters the registry nor keeps others from the
// store.
TEST_F(ServerTest, AnOversizedRegistrationIsRefusedAndTheOthersAreSaved) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post", R"("post")"), &issued);
  const auto registering = [&](size_t bytes) {
    registryv1::RegisterRequest request = PostInstance();
    request.set_instance_id("large-1");
    (*request.mutable_metadata())["note"] = std::string(bytes, 'x');
    registryv1::RegisterResponse registered;
    return client->Call("/tulle.registry.v1.Registry/Register", request, &registered).code;
  };
  EXPECT_EQ(registering(60000), grpc::Code::kInvalidArgument);
  EXPECT_EQ(registering(70000), grpc::Code::kResourceExhausted);
  EXPECT_EQ(registering(5 << 20), grpc::Code::kResourceExhausted);
  registryv1::RegisterResponse registered;
  ASSERT_TRUE(
      client->Call("/tulle.registry.v1.Registry/Register", PostInstance(), &registered).ok());
  Stop();
  Start();
  EXPECT_TRUE(plane_->mesh_builder().mesh().workloads.contains("post-1"));
  EXPECT_FALSE(plane_->mesh_builder().mesh().workloads.contains("large-1"));
}

// Who calls others names what it likes; an address is for what is there.
TEST_F(ServerTest, AServiceThatOneCallerAloneNamesGetsNoAddress) {
  cav1::CreateCertificateResponse issued;
  const auto client = EnrolledClient(TokenFor("post", R"("post")"), &issued);
  registryv1::RegisterRequest request = PostInstance();
  for (const char* service : {"db", "other/made-up"}) {
    registryv1::TcpOutbound* tcp = request.mutable_outbound()->add_tcp();
    tcp->set_service(service);
    tcp->set_service_port(5432);
    tcp->set_listen_port(15432 + static_cast<uint32_t>(request.outbound().tcp_size()));
  }
  registryv1::RegisterResponse registered;
  ASSERT_TRUE(client->Call("/tulle.registry.v1.Registry/Register", request, &registered).ok());
  const auto has_address = [&](const char* host) {
    simulation_.RunFor(seconds(1));
    return plane_->mesh_builder().mesh().vips.contains(host);
  };
  EXPECT_TRUE(has_address("post.default.svc.cluster.local"));
  EXPECT_FALSE(has_address("db.default.svc.cluster.local"));
  EXPECT_FALSE(has_address("made-up.other.svc.cluster.local"));
  // It can be called all the same, and has an address once it is there.
  EXPECT_TRUE(plane_->view()
                  .ConfigOf("post-1", snapshot::kClusterType)
                  .contains("outbound|5432||db.default.svc.cluster.local"));
  cav1::CreateCertificateResponse other;
  const auto db = EnrolledClient(TokenFor("db", R"("db")"), &other);
  request = PostInstance();
  request.set_instance_id("db-1");
  ASSERT_TRUE(db->Call("/tulle.registry.v1.Registry/Register", request, &registered).ok());
  EXPECT_TRUE(has_address("db.default.svc.cluster.local"));
}

TEST_F(ServerTest, Fault67_TheFirstChangeGoesOutAtOnceAndABurstCoalesces) {
  int versions = 0;
  plane_->mesh_builder().SetObserver([&](const MeshUpdate&) { ++versions; });
  simulation_.RunFor(seconds(1));
  const auto apply = [&](int i) {
    Api("POST", "/v1/apply",
        "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: p" +
            std::to_string(i) + "}\nspec: {targetRef: {kind: Service, name: s" + std::to_string(i) +
            "}, mode: STRICT}\n");
  };
  apply(0);
  EXPECT_EQ(versions, 1);
  for (int i = 1; i < 100; ++i) apply(i);
  EXPECT_EQ(versions, 1);
  simulation_.RunFor(seconds(1));
  EXPECT_EQ(versions, 2);
  EXPECT_EQ(plane_->mesh_builder().mesh().policies.documents().size(), 100);
}

// A hundred a second, each of the same policy: a version is made every 50 ms at most, and the last
// word holds.
TEST_F(ServerTest, Fault67_AStormOfChangesEndsWithTheLast) {
  int versions = 0;
  plane_->mesh_builder().SetObserver([&](const MeshUpdate&) { ++versions; });
  simulation_.RunFor(seconds(1));
  for (int i = 0; i < 500; ++i) {
    Api("POST", "/v1/apply",
        std::string("apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\n"
                    "metadata: {name: all}\nspec: {targetRef: {kind: Mesh}, mode: ") +
            (i % 2 == 0 ? "STRICT" : "PERMISSIVE") + "}\n");
    simulation_.RunFor(std::chrono::milliseconds(10));
  }
  simulation_.RunFor(seconds(1));
  EXPECT_GT(versions, 50);
  EXPECT_LE(versions, 102);
  EXPECT_EQ(
      policy::PolicyIndex(plane_->mesh_builder().mesh().policies).MtlsModeOf({"default", "post"}),
      policy::MtlsMode::kPermissive);
}

// Nine years ahead the root is near its end. A new one made now would be good for the wrong years
// if the clock goes back.
TEST_F(ServerTest, Fault43_AClockThatJumpsRotatesNoRootAtOnce) {
  const std::string before = plane_->authority().root_key_hash();
  simulation_.RunFor(seconds(5));
  simulation_.ShiftWallClock(std::chrono::hours(24 * 365 * 9));
  simulation_.RunFor(std::chrono::minutes(30));
  EXPECT_EQ(plane_->authority().rotation().phase(), ca::RotationPhase::kSteady);
  simulation_.ShiftWallClock(-std::chrono::hours(24 * 365 * 9));
  simulation_.RunFor(std::chrono::hours(2));
  EXPECT_EQ(plane_->authority().root_key_hash(), before);
  // It stays: then it is the time, and the rotation is due.
  simulation_.ShiftWallClock(std::chrono::hours(24 * 365 * 9));
  simulation_.RunFor(std::chrono::hours(2));
  EXPECT_NE(plane_->authority().root_key_hash(), before);
}

TEST(SplitTarget, DecodesPathAndQuery) {
  api::ApiRequest request;
  ASSERT_TRUE(SplitTarget("/v1/a%2Fb?file=x+y%20z&dryRun=true&flag", &request));
  EXPECT_EQ(request.path, "/v1/a/b");
  EXPECT_EQ(request.query["file"], "x y z");
  EXPECT_EQ(request.query["dryRun"], "true");
  EXPECT_TRUE(request.query.contains("flag"));
  for (const char* bad : {"/%", "/%2", "/%zz", "/%00", "/?a=%", "/?a=1&a=1"}) {
    EXPECT_FALSE(SplitTarget(bad, &request)) << bad;
  }
}

}  // namespace
}  // namespace tulle::server
