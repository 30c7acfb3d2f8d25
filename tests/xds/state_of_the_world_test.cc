// Our discovery server to a client that speaks state of the world.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "net/loop/loop.h"
#include "tests/xds/world.h"
#include "xds/proto/type_urls.h"
#include "xds/server/session.h"
#include "xds/server/testing/statuses.h"

namespace tulle::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

// State of the world, as Envoy and gRPC speak it.
class StateTest : public ::testing::Test {
 protected:
  DiscoveryRequest Request(std::string_view type, std::vector<std::string> names = {}) {
    DiscoveryRequest request;
    request.set_type_url(std::string(type));
    for (const std::string& name : names) request.add_resource_names(name);
    if (!std::exchange(introduced_, true)) request.mutable_node()->set_id("n");
    return request;
  }
  void Send(const DiscoveryRequest& request) {
    ASSERT_TRUE(server_->OnRequest(request.SerializeAsString()).ok());
  }
  void SetView() { server_->SetView(view_ = world_.Now()); }
  std::optional<DiscoveryResponse> Next() {
    const auto bytes = server_->Next(now_);
    if (!bytes.has_value()) return std::nullopt;
    DiscoveryResponse response;
    EXPECT_TRUE(response.ParseFromString(*bytes));
    return response;
  }
  void Answer(const DiscoveryResponse& response, std::vector<std::string> names = {},
              std::string_view error = {}) {
    DiscoveryRequest request = Request(response.type_url(), std::move(names));
    request.set_response_nonce(response.nonce());
    if (error.empty()) request.set_version_info(response.version_info());
    if (!error.empty()) request.mutable_error_detail()->set_message(std::string(error));
    Send(request);
  }

  World world_;
  std::shared_ptr<const View> view_;
  std::unique_ptr<Session> server_ = NewStateSession();
  loop::Instant now_{std::chrono::hours(1)};
  bool introduced_ = false;
};

TEST_F(StateTest, WildcardIsTheWholeWorldEachTime) {
  world_.Put(kClusterType, "a", "1");
  Send(Request(kClusterType));
  SetView();
  const auto first = Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->resources_size(), 1);
  EXPECT_EQ(first->resources(0).type_url(), kClusterType);
  EXPECT_FALSE(Next().has_value());
  Answer(*first);
  EXPECT_FALSE(Next().has_value());
  world_.Put(kClusterType, "b", "1");
  SetView();
  const auto second = Next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->resources_size(), 2);
  EXPECT_NE(second->version_info(), first->version_info());
}

TEST_F(StateTest, Fault65_ANackIsNotAnsweredWithTheSameVersion) {
  world_.Put(kClusterType, "a", "1");
  Send(Request(kClusterType));
  SetView();
  const auto first = Next();
  Answer(*first, {}, "Error adding/updating cluster(s) a: bad");
  for (int i = 0; i < 10; ++i) {
    SetView();
    EXPECT_FALSE(Next().has_value());
  }
  const auto statuses = StatusesOf(*server_);
  EXPECT_EQ(statuses.find(kClusterType)->second.find("a")->second.delivery, Delivery::kRejected);
  world_.Put(kClusterType, "a", "2");
  SetView();
  EXPECT_TRUE(Next().has_value());
}

TEST_F(StateTest, Fault68_NamesGrowAndStaleNoncesAreIgnored) {
  world_.Put(kEndpointType, "a", "1");
  world_.Put(kEndpointType, "b", "1");
  Send(Request(kEndpointType, {"a"}));
  SetView();
  const auto first = Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->resources_size(), 1);
  Answer(*first, {"a", "b"});
  const auto second = Next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->resources_size(), 2);
  Answer(*first, {"a"});  // stale
  EXPECT_FALSE(Next().has_value());
  Answer(*second, {"a", "b"});
  EXPECT_FALSE(Next().has_value());
  // Nothing is wanted any more: grpc-go says so by an empty list.
  Answer(*second, {});
  EXPECT_FALSE(Next().has_value());
}

TEST_F(StateTest, Fault68_AReconnectIsAnsweredWhateverVersionIsClaimed) {
  world_.Put(kListenerType, "a", "1");
  Send(Request(kListenerType, {"a"}));
  SetView();
  const auto first = Next();
  server_ = NewStateSession();
  introduced_ = false;
  DiscoveryRequest again = Request(kListenerType, {"a"});
  again.set_version_info(first->version_info());
  Send(again);
  SetView();
  EXPECT_TRUE(Next().has_value());
}

TEST_F(StateTest, EndpointsComeAgainAfterTheirClusterChanged) {
  world_.Put(kClusterType, "a", "1");
  world_.Put(kEndpointType, "a", "1");
  Send(Request(kClusterType));
  SetView();
  Answer(*Next());
  Send(Request(kEndpointType, {"a"}));
  Answer(*Next(), {"a"});
  EXPECT_FALSE(Next().has_value());
  world_.Put(kClusterType, "a", "2");
  SetView();
  EXPECT_EQ(Next()->type_url(), kClusterType);
  const auto endpoints = Next();  // before the clusters' ACK, which waits for it
  ASSERT_TRUE(endpoints.has_value());
  EXPECT_EQ(endpoints->type_url(), kEndpointType);
}

TEST_F(StateTest, Fault64_AClusterGoesAfterTheRoutesThatNamedIt) {
  world_.Put(kClusterType, "old", "1");
  world_.Put(kRouteType, "r", "1");
  Send(Request(kClusterType));
  SetView();
  Answer(*Next());
  Send(Request(kRouteType, {"r"}));
  Answer(*Next(), {"r"});
  world_.Remove(kClusterType, "old");
  world_.Put(kClusterType, "new", "1");
  world_.Put(kRouteType, "r", "2");
  SetView();
  const auto both = Next();
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ(both->resources_size(), 2);
  EXPECT_FALSE(Next().has_value());
  Answer(*both);
  const auto routes = Next();
  ASSERT_TRUE(routes.has_value());
  EXPECT_EQ(routes->type_url(), kRouteType);
  EXPECT_FALSE(Next().has_value());
  Answer(*routes, {"r"});
  const auto last = Next();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->resources_size(), 1);
}

TEST_F(StateTest, WhatDoesNotExistIsPassedOverInSilence) {
  Send(Request(kRouteType, {"none"}));
  Send(Request("type.googleapis.com/unknown"));
  SetView();
  EXPECT_FALSE(Next().has_value());
  world_.Put(kRouteType, "none", "1");
  SetView();
  EXPECT_TRUE(Next().has_value());
}

}  // namespace
}  // namespace tulle::xds
