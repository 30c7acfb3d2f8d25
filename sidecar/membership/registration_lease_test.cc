// Registration and the ADS stream on their one connection, against a registry that the test
// controls.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"
#include "net/grpc/server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "sidecar/membership/registration.h"
#include "tulle/registry/v1/registry.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/ads_server.h"

namespace tulle::sidecar {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr char kControl[] = "10.0.0.3:15012";

struct EmptyView final : xds::TableView {
  const xds::ResourceTable* TableOf(std::string_view) const override { return &empty; }
  xds::ResourceTable empty;
};

// A control plane with empty configuration. Owner: the fixture.
class FakeControl final : private xds::Source, private loop::ListenerEvents {
 public:
  explicit FakeControl(loop::Loop& loop) : loop_(loop), ads_(loop, *this) {
    ads_.Register(services_);
    Add<registry::v1::RegisterRequest>("Register", [this](const auto& request) {
      EXPECT_EQ(request.instance_id(), "shop-1");
      ++registrations;
      registry::v1::RegisterResponse response;
      response.set_lease_id(lease = "lease-" + std::to_string(registrations));
      response.mutable_ttl()->set_seconds(ttl);
      return response.SerializeAsString();
    });
    Add<registry::v1::HeartbeatRequest>("Heartbeat",
                                        [this](const auto& request) -> std::optional<std::string> {
                                          if (request.lease_id() != lease) return std::nullopt;
                                          ++heartbeats;
                                          ready = request.ready();
                                          if (request.has_breakers())
                                            breakers.push_back(request.breakers().count());
                                          registry::v1::HeartbeatResponse response;
                                          response.mutable_ttl()->set_seconds(ttl);
                                          return response.SerializeAsString();
                                        });
    Add<registry::v1::DeregisterRequest>("Deregister", [this](const auto& request) {
      if (request.lease_id() == lease) lease.clear();
      return registry::v1::DeregisterResponse().SerializeAsString();
    });
    Open();
    int error = 0;
    listener_ = loop.Listen(*SocketAddress::ParseWithPort(kControl), {}, *this, &error);
  }
  // Accepts connections for a new server; those of the old one stay.
  void Open() {
    servers_.push_back(std::make_unique<grpc::Server>(loop_, services_, grpc::ServerOptions()));
  }
  grpc::Server& server() { return *servers_.back(); }
  void Stop() {
    listener_.reset();
    servers_.clear();
  }

  int64_t ttl = 15;  // seconds
  bool deaf = false;
  std::string lease;  // in force
  int registrations = 0, heartbeats = 0, connections = 0, unanswered = 0;
  bool ready = false;
  std::vector<uint32_t> breakers;  // numbers of open ones, as heartbeats told

 private:
  // No answer: NOT_FOUND.
  template <typename Request, typename Answer>
  void Add(const std::string& method, Answer answer) {
    services_.AddUnary(
        "/tulle.registry.v1.Registry/" + method,
        [this, answer](const grpc::ServerCall&, const std::string& bytes,
                       std::unique_ptr<grpc::UnaryReply> reply) {
          if (deaf) {
            ++unanswered;
            return held_.push_back(std::move(reply));
          }
          Request request;
          EXPECT_TRUE(request.ParseFromString(bytes));
          const std::optional<std::string> response = answer(request);
          response ? reply->Send(*response) : reply->Fail({grpc::Code::kNotFound, "unknown lease"});
        });
  }
  absl::StatusOr<std::shared_ptr<const xds::View>> ViewFor(const envoy::config::core::v3::Node&,
                                                           const Transport&) override {
    return std::make_shared<EmptyView>();
  }
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    ++connections;
    server().Adopt(PlainAcceptor().Accept(loop_, std::move(socket)));
  }

  loop::Loop& loop_;
  grpc::ServiceRegistry services_;
  xds::AdsServer ads_;
  std::vector<std::unique_ptr<grpc::Server>> servers_;
  std::vector<std::unique_ptr<grpc::UnaryReply>> held_;
  std::unique_ptr<loop::Listener> listener_;
};

class RegistrationTest : public testing::Test,
                         private xds::UpdateTarget,
                         private xds::AdsClient::Events {
 protected:
  RegistrationTest() {
    state_.SubscribeToAll(xds::kListenerType);
    Workload workload;
    workload.service = "shop";
    workload.inbound = {"15080:8080:80/http"};
    registration_ = std::make_unique<Registration>(
        *loop_, *ads_, *MakeRegistration(workload, "shop-1"),
        [this](const std::string& error) { errors_.push_back(error); });
  }
  ~RegistrationTest() override {
    registration_.reset();
    ads_.reset();
  }

  // Registered and with traffic.
  void Join() {
    ads_->Start();
    simulation_.RunFor(seconds(1));
    registration_->SetReady();
    simulation_.RunFor(seconds(1));
    EXPECT_TRUE(registration_->registered());
    EXPECT_TRUE(control_.ready);
    control_.heartbeats = 0;
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  std::unique_ptr<loop::Loop> control_loop_ =
      simulation_.NewLoop(simulation_.AddHost({"10.0.0.3"}));
  FakeControl control_{*control_loop_};
  xds::DeltaClient state_{Node(), static_cast<xds::UpdateTarget&>(*this)};
  std::unique_ptr<xds::AdsClient> ads_ = std::make_unique<xds::AdsClient>(
      *loop_,
      [this] {
        return PlainConnector().Connect(*loop_, *SocketAddress::ParseWithPort(kControl), {});
      },
      PlainOptions(), state_, static_cast<xds::AdsClient::Events&>(*this));
  std::unique_ptr<Registration> registration_;
  std::vector<std::string> errors_;
  int lost_ = 0;  // ADS streams

 private:
  static std::string Node() {
    envoy::config::core::v3::Node node;
    node.set_id("shop-1");
    return node.SerializeAsString();
  }
  static grpc::ChannelOptions PlainOptions() {
    grpc::ChannelOptions options;
    options.scheme = "http";
    return options;
  }
  std::vector<xds::Rejection> OnUpdate(const xds::Update&) override { return {}; }
  void OnAdsConnected() override {}
  void OnAdsLost(const std::string&, Failure) override { ++lost_; }
};

TEST_F(RegistrationTest, UsesTheConnectionOfTheAdsStream) {
  Join();
  EXPECT_TRUE(ads_->connected());
  EXPECT_EQ(control_.connections, 1);
  simulation_.RunFor(minutes(1));
  EXPECT_EQ(control_.heartbeats, 12) << "one in a third of the lease's time";
  EXPECT_EQ(control_.registrations, 1);
  EXPECT_EQ(control_.connections, 1);
}

TEST_F(RegistrationTest, OpenBreakersAreToldOnceInEachLeaseAndConnection) {
  auto changes = std::make_shared<std::atomic<uint32_t>>(0);
  upstream::ClusterSpec spec;
  spec.breaker = upstream::BreakerSpec{.errors = {1, 100}, .open_for = seconds(3600)};
  // On the heap: a frame under AddressSanitizer is not aligned to 64 bytes.
  const auto owned = std::make_unique<upstream::ClusterLimits>(1, changes);
  upstream::ClusterLimits& limits = *owned;
  const auto endpoint = limits.endpoints.For(*SocketAddress::ParseWithPort("10.0.0.9:80"));
  BreakerReport report(
      *loop_, [&] { return changes->load(); },
      [&](const BreakerReport::Visitor& visit) { visit(spec, limits); });
  registration_->ReportBreakers(report);
  Join();
  EXPECT_TRUE(control_.breakers.empty());
  loop::Random random(7);
  const auto pass = *endpoint->breaker.TryPass(loop_->Now());
  endpoint->breaker.Report(pass, upstream::Outcome::kServerError, *spec.breaker, loop_->Now(),
                           random);
  ASSERT_TRUE(endpoint->breaker.Open(pass, *spec.breaker, loop_->Now(), random));
  limits.NoteBreakerChange();
  simulation_.RunFor(minutes(1));
  EXPECT_EQ(control_.breakers, std::vector<uint32_t>{1});
  control_.lease = "of another life";
  simulation_.RunFor(minutes(1));
  EXPECT_EQ(control_.breakers, (std::vector<uint32_t>{1, 1})) << "the new lease knows none";
  control_.server().Drain();
  control_.Open();
  simulation_.RunFor(minutes(1));
  EXPECT_EQ(control_.breakers, (std::vector<uint32_t>{1, 1, 1})) << "the other server neither";
  registration_.reset();
}

TEST_F(RegistrationTest, TheRegistryMayAskForFewerHeartbeats) {
  Join();
  control_.ttl = 60;
  simulation_.RunFor(seconds(6));
  control_.heartbeats = 0;
  simulation_.RunFor(minutes(2));
  EXPECT_EQ(control_.heartbeats, 6);
}

TEST_F(RegistrationTest, AnUnknownLeaseIsReplacedSoon) {
  Join();
  control_.lease = "of another life";
  simulation_.RunFor(seconds(6));
  EXPECT_EQ(control_.registrations, 2);
  EXPECT_TRUE(registration_->registered());
}

// The answer of the former connection will not come.
TEST_F(RegistrationTest, RegistersOverTheNewConnectionIfTheFormerOneEndsMeanwhile) {
  control_.deaf = true;
  ads_->Start();
  simulation_.RunFor(seconds(1));
  ASSERT_EQ(control_.unanswered, 1);
  control_.deaf = false;
  ads_->Reconnect();
  simulation_.RunFor(seconds(1));
  EXPECT_TRUE(registration_->registered());
  EXPECT_EQ(control_.connections, 2);
  EXPECT_TRUE(errors_.empty());
  EXPECT_EQ(lost_, 0);
}

TEST_F(RegistrationTest, DeregistersAndTellsWhenThatIsDone) {
  Join();
  bool done = false;
  registration_->Deregister([&] { done = true; });
  EXPECT_FALSE(done);
  EXPECT_TRUE(registration_->leaving());
  simulation_.RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(done);
  EXPECT_TRUE(control_.lease.empty());
  simulation_.RunFor(minutes(1));
  EXPECT_EQ(control_.registrations, 1);
  EXPECT_EQ(control_.heartbeats, 0);
}

TEST_F(RegistrationTest, AnUnreachableRegistryDoesNotHoldUpTheEnd) {
  Join();
  control_.deaf = true;
  bool done = false;
  registration_->Deregister([&] { done = true; });
  simulation_.RunFor(std::chrono::milliseconds(100));
  EXPECT_FALSE(done);
  control_.Stop();
  simulation_.RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(done) << "at once, not by the deadline of the call";
}

// The ADS stream alone would keep the connection open, and the lease would expire.
TEST_F(RegistrationTest, LeavesAConnectionThatTakesNoMoreCalls) {
  Join();
  control_.server().Drain();
  control_.Open();
  simulation_.RunFor(seconds(30));
  EXPECT_EQ(control_.connections, 2);
  EXPECT_TRUE(ads_->connected());
  EXPECT_GE(control_.heartbeats, 4);
  EXPECT_TRUE(errors_.empty());
}

}  // namespace
}  // namespace tulle::sidecar
