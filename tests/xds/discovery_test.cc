// Our discovery client against our discovery server, as state machines: no wire, no clock.
#include "tests/xds/discovery_fixture.h"
#include "xds/server/testing/statuses.h"

namespace tulle::xds {
namespace {

TEST_F(DiscoveryTest, WildcardFetchAndUpdates) {
  world_.Put(kClusterType, "a", "1");
  world_.Put(kClusterType, "b", "1");
  client_.SubscribeToAll(kClusterType);
  Run();
  ExpectEqual(kClusterType);
  world_.Put(kClusterType, "a", "2");
  world_.Remove(kClusterType, "b");
  world_.Put(kClusterType, "c", "1");
  SetView();
  Run();
  ExpectEqual(kClusterType);
  EXPECT_EQ(target_.received, 4);
  // Node on the first message only; an ACK for each response.
  EXPECT_TRUE(requests_[0].has_node());
  for (size_t i = 1; i < requests_.size(); ++i) EXPECT_FALSE(requests_[i].has_node());
  EXPECT_EQ(requests_.back().response_nonce(), responses_.back().nonce());
}

TEST_F(DiscoveryTest, AnEmptyWorldIsAnsweredSoThatTheFirstFetchEnds) {
  client_.SubscribeToAll(kListenerType);
  Run();
  ASSERT_EQ(responses_.size(), 1);
  EXPECT_EQ(responses_[0].resources_size(), 0);
}

TEST_F(DiscoveryTest, NamesAreSubscribedAndAMissIsAnsweredAtOnce) {
  world_.Put(kEndpointType, "a", "1");
  Want(kEndpointType, {"a", "none"});
  Run();
  EXPECT_EQ(target_.log,
            (std::vector<std::string>{"ClusterLoadAssignment+a", "ClusterLoadAssignment-none"}));
  world_.Put(kEndpointType, "none", "1");
  world_.Put(kEndpointType, "other", "1");
  SetView();
  Run();
  EXPECT_EQ(target_.log.back(), "ClusterLoadAssignment+none");
  Want(kEndpointType, {"none"});
  Run();
  world_.Put(kEndpointType, "a", "2");
  SetView();
  EXPECT_EQ(Run(), 0);
}

// A client that is connected is not synced before it has been answered and has accepted that.
TEST_F(DiscoveryTest, SyncedMeansThatEverythingIsAccepted) {
  world_.Put(kClusterType, "a", "1");
  client_.SubscribeToAll(kClusterType);
  EXPECT_FALSE(server_->IsSynced());
  Run();
  EXPECT_FALSE(server_->IsSynced()) << "it has not asked for listeners";
  client_.SubscribeToAll(kListenerType);
  Run();
  EXPECT_TRUE(server_->IsSynced());
  world_.Put(kClusterType, "a", "2");
  SetView();
  EXPECT_FALSE(server_->IsSynced()) << "not sent";
  const auto response = server_->Next(now_);
  ASSERT_TRUE(response.has_value());
  EXPECT_FALSE(server_->IsSynced()) << "not accepted";
  EXPECT_TRUE(client_.OnMessage(*response));
  Run();
  EXPECT_TRUE(server_->IsSynced());
  target_.bad = {"a@3"};
  world_.Put(kClusterType, "a", "3");
  SetView();
  Run();
  EXPECT_FALSE(server_->IsSynced()) << "rejected";
}

TEST_F(DiscoveryTest, WhatIsNotServedIsNotRemembered) {
  DeltaDiscoveryRequest request;
  request.set_type_url("type.googleapis.com/unknown");
  request.mutable_node()->set_id("n");
  request.add_resource_names_subscribe("x");
  EXPECT_TRUE(server_->OnRequest(request.SerializeAsString()).ok());
  EXPECT_TRUE(server_->RequestedTypes().empty());
  request.set_type_url(std::string(kEndpointType));
  EXPECT_TRUE(server_->OnRequest(request.SerializeAsString()).ok());
  EXPECT_EQ(server_->RequestedTypes(), std::vector<std::string_view>{kEndpointType});
  request.add_resource_names_subscribe(std::string(kLongestName + 1, 'x'));
  EXPECT_FALSE(server_->OnRequest(request.SerializeAsString()).ok());
}

TEST_F(DiscoveryTest, Fault65_OneBadResourceIsRejectedAlone) {
  for (int i = 0; i < 1000; ++i) world_.Put(kClusterType, "c" + std::to_string(i), "1");
  target_.bad = {"c7@1"};
  client_.SubscribeToAll(kClusterType);
  Run();
  EXPECT_EQ(target_.held[std::string(kClusterType)].size(), 999);
  EXPECT_EQ(requests_.back().error_detail().code(), 3);
  EXPECT_EQ(requests_.back().error_detail().message(), "c7: bad\n");
  const auto statuses = StatusesOf(*server_);
  const TypeStatus& status = statuses.find(kClusterType)->second;
  EXPECT_EQ(status.find("c7")->second.delivery, Delivery::kRejected);
  EXPECT_EQ(status.find("c7")->second.error, "bad");
  EXPECT_EQ(status.find("c8")->second.delivery, Delivery::kAcknowledged);
  // The rejected version never comes again; the next one does.
  world_.Put(kClusterType, "c8", "2");
  SetView();
  Run();
  EXPECT_EQ(target_.received, 1001);
  world_.Put(kClusterType, "c7", "2");
  SetView();
  Run();
  ExpectEqual(kClusterType);
}

TEST_F(DiscoveryTest, Fault62_ARestartedControlPlaneResendsNothing) {
  world_.Put(kClusterType, "a", "1");
  world_.Put(kClusterType, "b", "1");
  world_.Put(kEndpointType, "a", "1");
  client_.SubscribeToAll(kClusterType);
  Want(kEndpointType, {"a"});
  Run();
  const int received = target_.received;
  Reconnect();
  Run();
  EXPECT_EQ(target_.received, received);
  Reconnect();
  world_.Put(kClusterType, "b", "2");
  world_.Remove(kClusterType, "a");
  Run();
  EXPECT_EQ(target_.received, received + 1);
  ExpectEqual(kClusterType);
}

TEST_F(DiscoveryTest, Fault61_WhatIsOnDiskNeedNotComeAgain) {
  world_.Put(kClusterType, "a", "1");
  client_.Remember(kClusterType, "a", "1");
  client_.Remember(kClusterType, "gone", "1");
  client_.SubscribeToAll(kClusterType);
  Run();
  EXPECT_EQ(target_.log, (std::vector<std::string>{"Cluster-gone"}));
}

TEST_F(DiscoveryTest, EndpointsComeAgainAfterTheirClusterChanged) {
  world_.Put(kClusterType, "a", "1");
  world_.Put(kEndpointType, "a", "1");
  client_.SubscribeToAll(kClusterType);
  Want(kEndpointType, {"a"});
  Run();
  target_.log.clear();
  world_.Put(kClusterType, "a", "2");
  SetView();
  Run();
  EXPECT_EQ(target_.log, (std::vector<std::string>{"Cluster+a", "ClusterLoadAssignment+a"}));
}

TEST_F(DiscoveryTest, Fault64_MakeBeforeBreak) {
  world_.Put(kClusterType, "old", "1");
  world_.Put(kEndpointType, "old", "1");
  world_.Put(kListenerType, "l", "1");
  world_.Put(kRouteType, "r", "1");
  world_.Put(kSecretType, "s", "1");
  client_.SubscribeToAll(kClusterType);
  client_.SubscribeToAll(kListenerType);
  Want(kRouteType, {"r"});
  Want(kSecretType, {"s"});
  Want(kEndpointType, {"old", "new"});
  Run();
  target_.log.clear();
  world_.Remove(kClusterType, "old");
  world_.Remove(kEndpointType, "old");
  world_.Put(kClusterType, "new", "1");
  world_.Put(kEndpointType, "new", "1");
  world_.Put(kSecretType, "s", "2");
  world_.Put(kListenerType, "l", "2");
  world_.Put(kRouteType, "r", "2");
  SetView();
  Run();
  EXPECT_EQ(target_.log, (std::vector<std::string>{"Cluster+new", "ClusterLoadAssignment+new",
                                                   "Secret+s", "Listener+l", "RouteConfiguration+r",
                                                   "ClusterLoadAssignment-old", "Cluster-old"}));
}

TEST_F(DiscoveryTest, RoutesWaitForClustersToBeAcknowledgedButNotForEver) {
  world_.Put(kClusterType, "a", "1");
  world_.Put(kRouteType, "r", "1");
  client_.SubscribeToAll(kClusterType);
  Want(kRouteType, {"r"});
  Run();
  world_.Put(kClusterType, "a", "2");
  world_.Put(kRouteType, "r", "2");
  SetView();
  // The client takes the clusters and keeps silent, as one that warms them.
  ASSERT_TRUE(server_->Next(now_).has_value());
  EXPECT_FALSE(server_->Next(now_).has_value());
  ASSERT_TRUE(server_->Deadline(now_).has_value());
  now_ = *server_->Deadline(now_);
  const auto response = server_->Next(now_);
  ASSERT_TRUE(response.has_value());
  DeltaDiscoveryResponse parsed;
  parsed.ParseFromString(*response);
  EXPECT_EQ(parsed.type_url(), kRouteType);
}

TEST_F(DiscoveryTest, Fault66_LargeWorldsComeInPieces) {
  for (int i = 0; i < 100; ++i)
    world_.Put(kRouteType, "r" + std::to_string(i), std::string(100'000, 'v'));
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) names.insert("r" + std::to_string(i));
  Want(kRouteType, names);
  Run();
  ExpectEqual(kRouteType);
  EXPECT_GT(responses_.size(), 3);
  for (const auto& response : responses_) EXPECT_LT(response.ByteSizeLong(), 4u * 1024 * 1024);
}

TEST_F(DiscoveryTest, Fault63_TheServerRefusesGarbage) {
  EXPECT_FALSE(server_->OnRequest("\xff\xff").ok());
  DeltaDiscoveryRequest request;
  request.set_type_url(std::string(kClusterType));
  EXPECT_FALSE(server_->OnRequest(request.SerializeAsString()).ok());  // no node
  request.mutable_node()->set_id("n");
  EXPECT_TRUE(server_->OnRequest(request.SerializeAsString()).ok());
  request.set_type_url("type.googleapis.com/unknown");
  EXPECT_TRUE(server_->OnRequest(request.SerializeAsString()).ok());
  SetView();
  EXPECT_TRUE(server_->Next(now_).has_value());
  EXPECT_FALSE(server_->Next(now_).has_value());
}

TEST_F(DiscoveryTest, Fault68_AStaleNonceIsNoAcknowledgement) {
  world_.Put(kClusterType, "a", "1");
  client_.SubscribeToAll(kClusterType);
  ASSERT_TRUE(server_->OnRequest(client_.TakeOutgoing().at(0).bytes).ok());
  SetView();
  ASSERT_TRUE(server_->Next(now_).has_value());
  DeltaDiscoveryRequest stale;
  stale.set_type_url(std::string(kClusterType));
  stale.set_response_nonce("not it");
  ASSERT_TRUE(server_->OnRequest(stale.SerializeAsString()).ok());
  world_.Put(kClusterType, "a", "2");
  SetView();
  EXPECT_FALSE(server_->Next(now_).has_value());  // the first is still on its way
}

}  // namespace
}  // namespace tulle::xds
