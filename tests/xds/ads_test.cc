// The aggregated discovery service over gRPC and HTTP/2, in memory: AdsClient against AdsServer.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"
#include "net/grpc/server.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "xds/client/ads_client.h"
#include "xds/client/delta_client.h"
#include "xds/proto/type_urls.h"
#include "xds/server/ads_server.h"
#include "xds/server/testing/statuses.h"

namespace tulle::xds {
namespace {

using http2::testing::ManualLoop;
using http2::testing::Pipe;
using http2::testing::PipeTransport;

class RouteView final : public TableView {
 public:
  const ResourceTable* TableOf(std::string_view type_url) const override {
    return type_url == kRouteType ? &routes : nullptr;
  }
  ResourceTable routes;
};

class AdsTest : public ::testing::Test,
                public Source,
                public UpdateTarget,
                public AdsClient::Events {
 protected:
  AdsTest() {
    envoy::config::core::v3::Node node;
    node.set_id("n1");
    state_.emplace(node.SerializeAsString(), *this);
    ads_.Register(registry_);
    server_.emplace(loop_, registry_, grpc::ServerOptions{});
    client_.emplace(
        loop_, [this] { return Dial(); }, grpc::ChannelOptions{}, *state_, *this);
    state_->Subscribe(kRouteType, {"r"});
  }
  ~AdsTest() override {
    client_.reset();
    server_.reset();
    loop_.Turn();
  }

  std::unique_ptr<Transport> Dial() {
    Pipe& pipe = *pipes_.emplace_back(std::make_unique<Pipe>(loop_));
    auto far = pipe.TakeEnd(1);
    auto near = pipe.TakeEnd(0);
    PipeTransport* accepted = far.get();
    connecting_ = near.get();
    if (server_.has_value()) {
      server_->Adopt(std::move(far));
      accepted->events()->OnTransportReady();
    }
    return near;
  }
  void Run() {
    if (connecting_ != nullptr) std::exchange(connecting_, nullptr)->events()->OnTransportReady();
    for (bool moved = true; moved;) {
      loop_.Turn();
      moved = false;
      for (auto& pipe : pipes_) moved |= pipe->Pump();
    }
    loop_.Turn();
  }
  void Put(const std::string& version) {
    auto view = std::make_shared<RouteView>();
    view->routes["r"] = std::make_shared<Resource>(Resource{version, "bytes of " + version});
    view_ = view;
    ads_.Publish({}, {"n1"});
    Run();
  }

  absl::StatusOr<std::shared_ptr<const View>> ViewFor(const envoy::config::core::v3::Node& node,
                                                      const Transport&) override {
    if (!refusal_.ok()) return refusal_;
    nodes_.push_back(node.id());
    return view_;
  }
  std::vector<Rejection> OnUpdate(const Update& update) override {
    for (const ReceivedResource& resource : update.resources) got_.push_back(resource.bytes);
    if (bad_) return {{"r", "bad"}};
    return {};
  }
  void OnAdsConnected() override { ++connected_; }
  void OnAdsLost(const std::string& reason, Failure) override { lost_ = reason; }

  ManualLoop loop_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
  AdsServer ads_{loop_, *this};
  grpc::ServiceRegistry registry_;
  std::optional<DeltaClient> state_;
  std::optional<grpc::Server> server_;
  std::optional<AdsClient> client_;
  std::shared_ptr<const View> view_ = std::make_shared<RouteView>();
  absl::Status refusal_;
  PipeTransport* connecting_ = nullptr;
  std::vector<std::string> nodes_;
  std::vector<std::string> got_;
  bool bad_ = false;
  int connected_ = 0;
  std::string lost_;
};

TEST_F(AdsTest, ResourcesComeAndStatusesGoBack) {
  client_->Start();
  Run();
  EXPECT_EQ(nodes_, (std::vector<std::string>{"n1"}));
  Put("1");
  bad_ = true;
  Put("2");
  EXPECT_EQ(got_, (std::vector<std::string>{"bytes of 1", "bytes of 2"}));
  ASSERT_NE(ads_.SessionOf("n1"), nullptr);
  const TypeStatuses statuses = StatusesOf(*ads_.SessionOf("n1"));
  const ResourceStatus& status = statuses.find(kRouteType)->second.find("r")->second;
  EXPECT_EQ(status.version, "2");
  EXPECT_EQ(status.delivery, Delivery::kRejected);
  EXPECT_EQ(status.error, "bad");
}

TEST_F(AdsTest, Fault62_AfterTheControlPlaneRestartsNothingComesTwice) {
  client_->Start();
  Run();
  Put("1");
  server_.reset();
  Run();
  EXPECT_EQ(ads_.streams(), 0);
  EXPECT_FALSE(lost_.empty());
  server_.emplace(loop_, registry_, grpc::ServerOptions{});
  for (int i = 0; i < 60 && connected_ < 2; ++i) {
    loop_.Advance(std::chrono::seconds(1));
    Run();
  }
  EXPECT_EQ(connected_, 2);
  EXPECT_EQ(ads_.streams(), 1);
  EXPECT_EQ(got_.size(), 1);
  Put("2");
  EXPECT_EQ(got_.size(), 2);
}

TEST_F(AdsTest, ARefusedNodeComesBackSlower) {
  refusal_ = absl::PermissionDeniedError("not your node");
  client_->Start();
  Run();
  EXPECT_NE(lost_.find("not your node"), std::string::npos);
  for (int i = 0; i < 600; ++i) {
    loop_.Advance(std::chrono::seconds(1));
    Run();
  }
  EXPECT_GT(connected_, 10);
  EXPECT_LT(connected_, 120);
  refusal_ = absl::OkStatus();
  for (int i = 0; i < 31; ++i) {
    loop_.Advance(std::chrono::seconds(1));
    Run();
  }
  Put("1");
  EXPECT_EQ(got_.size(), 1);
}

}  // namespace
}  // namespace tulle::xds
