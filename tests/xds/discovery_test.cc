// Our discovery client against our discovery server, as state machines: no wire, no clock.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "net/loop/loop.h"
#include "tests/xds/world.h"
#include "xds/client/delta_client.h"
#include "xds/proto/type_urls.h"
#include "xds/server/session.h"

namespace tulle::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

// Keeps what it accepts.
class FakeTarget final : public UpdateTarget {
 public:
  std::vector<Rejection> OnUpdate(const Update& update) override {
    std::vector<Rejection> rejections;
    for (const ReceivedResource& changed : update.resources) {
      ++received;
      log.push_back(std::string(ShortName(update.type_url)) + "+" + changed.name);
      if (bad.contains(changed.name + "@" + changed.version)) {
        rejections.push_back({changed.name, "bad"});
      } else {
        held[update.type_url][changed.name] = changed.version;
      }
    }
    for (const std::string& name : update.removed) {
      log.push_back(std::string(ShortName(update.type_url)) + "-" + name);
      held[update.type_url].erase(name);
    }
    return rejections;
  }
  static std::string_view ShortName(std::string_view type_url) {
    return type_url.substr(type_url.rfind('.') + 1);
  }

  std::map<std::string, std::map<std::string, std::string>> held;
  std::set<std::string> bad;  // "name@version"
  std::vector<std::string> log;
  int received = 0;
};

std::string Node() {
  DeltaDiscoveryRequest request;
  request.mutable_node()->set_id("node-1");
  return request.node().SerializeAsString();
}

class DiscoveryTest : public ::testing::Test {
 protected:
  DiscoveryTest() { client_.OnStreamOpened(); }

  // Until neither end has anything to say; returns the messages exchanged.
  int Run(int most = 1000) {
    int messages = 0;
    for (bool moved = true; moved && messages < most;) {
      moved = false;
      for (const DeltaClient::Outgoing& request : client_.TakeOutgoing()) {
        requests_.emplace_back().ParseFromString(request.bytes);
        EXPECT_TRUE(server_->OnRequest(request.bytes).ok());
        if (messages == 0 || server_view_ == nullptr) SetView();
        moved = true;
        ++messages;
      }
      while (auto response = server_->Next(now_)) {
        responses_.emplace_back().ParseFromString(*response);
        EXPECT_TRUE(client_.OnMessage(*response));
        moved = true;
        ++messages;
      }
    }
    return messages;
  }
  void SetView() {
    server_view_ = world_.Now();
    server_->SetView(server_view_);
  }
  // Wants exactly these by name.
  void Want(std::string_view type, std::set<std::string> names) {
    client_.Subscribe(type, std::move(names));
  }
  void Reconnect() {
    client_.OnStreamClosed();
    server_ = NewDeltaSession();
    server_view_ = nullptr;
    client_.OnStreamOpened();
  }
  void ExpectEqual(std::string_view type) {
    std::map<std::string, std::string> wanted;
    for (const auto& [name, resource] : world_.Table(type)) wanted[name] = resource->version;
    EXPECT_EQ(target_.held[std::string(type)], wanted) << type;
  }

  World world_;
  FakeTarget target_;
  DeltaClient client_{Node(), target_};
  std::unique_ptr<Session> server_ = NewDeltaSession();
  std::shared_ptr<const View> server_view_;
  loop::Instant now_{std::chrono::hours(1)};
  std::vector<DeltaDiscoveryRequest> requests_;
  std::vector<DeltaDiscoveryResponse> responses_;
};

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

// The listeners of virtual addresses: beside a wildcard that does not mean them.
class OnDemandTest : public DiscoveryTest {
 protected:
  OnDemandTest() {
    world_.Put(kListenerType, "all", "1");
    world_.Put(kListenerType, "vip", "1", true);
    client_.SubscribeToAll(kListenerType);
    Run();
    EXPECT_EQ(target_.log, (std::vector<std::string>{"Listener+all"}));
    target_.log.clear();
  }
  void Ask(const std::vector<std::string>& subscribe, const std::vector<std::string>& leave = {}) {
    DeltaDiscoveryRequest request;
    request.set_type_url(std::string(kListenerType));
    for (const std::string& name : subscribe) request.add_resource_names_subscribe(name);
    for (const std::string& name : leave) request.add_resource_names_unsubscribe(name);
    EXPECT_TRUE(server_->OnRequest(request.SerializeAsString()).ok());
    Run();
  }
  std::vector<std::string> TakeLog() { return std::exchange(target_.log, {}); }
};

TEST_F(OnDemandTest, ComesByNameAloneAndAMissIsToldAtOnce) {
  Ask({"vip", "none"});
  EXPECT_EQ(TakeLog(), (std::vector<std::string>{"Listener+vip", "Listener-none"}));
  world_.Put(kListenerType, "vip", "2", true);
  world_.Put(kListenerType, "none", "1", true);
  world_.Put(kListenerType, "other", "1", true);
  world_.Put(kListenerType, "all", "2");
  SetView();
  Run();
  EXPECT_EQ(TakeLog(), (std::vector<std::string>{"Listener+all", "Listener+none", "Listener+vip"}));
  world_.Remove(kListenerType, "vip");
  SetView();
  Run();
  EXPECT_EQ(TakeLog(), (std::vector<std::string>{"Listener-vip"}));
}

TEST_F(OnDemandTest, WhatWasLeftComesAgainWhenAskedFor) {
  Ask({"vip"});
  Ask({}, {"vip", "all"});
  TakeLog();
  world_.Put(kListenerType, "vip", "2", true);
  world_.Put(kListenerType, "all", "2");
  SetView();
  Run();
  EXPECT_EQ(TakeLog(), (std::vector<std::string>{"Listener+all"})) << "the wildcard means it";
  Ask({"vip"});
  EXPECT_EQ(TakeLog(), (std::vector<std::string>{"Listener+vip"}));
}

TEST_F(OnDemandTest, WhoScansAddressesIsAnsweredSlowly) {
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back("none-" + std::to_string(i));
  Ask(names);
  EXPECT_EQ(TakeLog().size(), 500);
  Ask({"vip"});
  EXPECT_EQ(TakeLog(), (std::vector<std::string>{"Listener+vip"})) << "what exists does not wait";
  for (int second = 0; second < 30; ++second) {
    const auto due = server_->Deadline(now_);
    if (!due.has_value()) break;
    EXPECT_LE(*due, now_ + std::chrono::seconds(5));
    now_ += std::chrono::seconds(1);
    const size_t before = target_.log.size();
    Run();
    EXPECT_LE(target_.log.size() - before, 100);
  }
  EXPECT_EQ(target_.log.size(), 2500);
  // Not all of them are remembered.
  for (const std::string& name : names) world_.Put(kListenerType, name, "1", true);
  SetView();
  TakeLog();
  Run();
  EXPECT_GE(TakeLog().size(), 1000);
  EXPECT_LE(target_.held[std::string(kListenerType)].size(), 1102);
}

TEST_F(OnDemandTest, ALateMissMakesNoTimerFireAgainAndAgain) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("none-" + std::to_string(i));
  Ask(names);
  EXPECT_FALSE(server_->IsSynced()) << "some were not answered yet";
  EXPECT_GT(server_->Deadline(now_), now_);
  Ask({}, names);
  EXPECT_TRUE(server_->IsSynced());
  now_ += std::chrono::seconds(1);
  EXPECT_FALSE(server_->Next(now_).has_value());
  EXPECT_FALSE(server_->Deadline(now_).has_value());
}

TEST_F(OnDemandTest, ALateNameThatComesIntoBeingIsSentAtOnce) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("none-" + std::to_string(i));
  Ask(names);
  TakeLog();
  for (const std::string& name : names) world_.Put(kListenerType, name, "1", true);
  SetView();
  Run();
  EXPECT_EQ(TakeLog().size(), 1000);
  EXPECT_TRUE(server_->IsSynced());
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
  const auto statuses = server_->Statuses();
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

// The oracle: after any history, what the client holds is what the server has.
TEST_F(DiscoveryTest, DeltaEqualsTheFullStateAfterRandomHistories) {
  loop::Random random(7);
  int synced = 0;
  std::set<std::string> subscribed;
  client_.SubscribeToAll(kClusterType);
  client_.SubscribeToAll(kListenerType);
  for (int step = 0; step < 3000; ++step) {
    const std::string name(1, static_cast<char>('a' + random.Below(8)));
    const std::string_view type = kTypesInOrder[random.Below(kTypesInOrder.size())];
    switch (random.Below(8)) {
      case 0:
        world_.Remove(type, name);
        break;
      case 1:
        subscribed.insert(name);
        Want(kEndpointType, subscribed);
        break;
      case 2:
        subscribed.erase(name);
        Want(kEndpointType, subscribed);
        target_.held[std::string(kEndpointType)].erase(name);
        break;
      case 3:
        if (random.Below(10) == 0) Reconnect();
        break;
      default:
        world_.Put(type, name, std::to_string(random.Below(4)));
    }
    if (random.Below(3) != 0) continue;
    if (server_view_ != nullptr) SetView();
    now_ += std::chrono::seconds(random.Below(3));
    Run(random.Below(2) == 0 ? 1000 : 3);
    if (!server_->IsSynced()) continue;
    ++synced;
    ExpectEqual(kClusterType);
    ExpectEqual(kListenerType);
  }
  EXPECT_GT(synced, 100);
  if (server_view_ != nullptr) SetView();
  Run();
  now_ += std::chrono::minutes(1);
  Run();
  EXPECT_TRUE(server_->IsSynced()) << "nothing is left over";
  ExpectEqual(kClusterType);
  ExpectEqual(kListenerType);
  std::map<std::string, std::string> wanted;
  for (const std::string& name : subscribed) {
    const auto found = world_.Table(kEndpointType).find(name);
    if (found != world_.Table(kEndpointType).end()) wanted[name] = found->second->version;
  }
  EXPECT_EQ(target_.held[std::string(kEndpointType)], wanted);
}

// The same, with a view of the present and nothing looked at but what is said to have changed.
TEST_F(DiscoveryTest, ASessionThatIsToldOfEachChangeEndsWithTheFullState) {
  loop::Random random(11);
  std::set<std::string> subscribed;
  client_.SubscribeToAll(kClusterType);
  client_.SubscribeToAll(kListenerType);
  server_view_ = world_.Live();
  const auto connect = [&] {
    for (const DeltaClient::Outgoing& request : client_.TakeOutgoing()) {
      EXPECT_TRUE(server_->OnRequest(request.bytes).ok());
    }
    server_->SetView(server_view_);
  };
  connect();
  for (int step = 0; step < 3000; ++step) {
    const std::string name(1, static_cast<char>('a' + random.Below(8)));
    const std::string_view type = kTypesInOrder[random.Below(kTypesInOrder.size())];
    switch (random.Below(8)) {
      case 0:
        world_.Remove(type, name);
        break;
      case 1:
        subscribed.insert(name);
        Want(kEndpointType, subscribed);
        break;
      case 2:
        subscribed.erase(name);
        Want(kEndpointType, subscribed);
        target_.held[std::string(kEndpointType)].erase(name);
        break;
      default:
        world_.Put(type, name, std::to_string(random.Below(4)),
                   type == kListenerType && name > "f");
    }
    server_->OnChanged(type, name);
    if (random.Below(3) != 0) continue;
    now_ += std::chrono::seconds(random.Below(3));
    for (const DeltaClient::Outgoing& request : client_.TakeOutgoing()) {
      EXPECT_TRUE(server_->OnRequest(request.bytes).ok());
    }
    while (auto response = server_->Next(now_)) EXPECT_TRUE(client_.OnMessage(*response));
  }
  for (int turn = 0; turn < 10; ++turn) {
    now_ += std::chrono::minutes(1);
    for (const DeltaClient::Outgoing& request : client_.TakeOutgoing()) {
      EXPECT_TRUE(server_->OnRequest(request.bytes).ok());
    }
    while (auto response = server_->Next(now_)) EXPECT_TRUE(client_.OnMessage(*response));
  }
  EXPECT_TRUE(server_->IsSynced()) << "nothing is left over";
  ExpectEqual(kClusterType);
  std::map<std::string, std::string> listeners, endpoints;
  for (const auto& [name, resource] : world_.Table(kListenerType)) {
    if (!resource->by_name_only) listeners[name] = resource->version;
  }
  EXPECT_EQ(target_.held[std::string(kListenerType)], listeners);
  for (const std::string& name : subscribed) {
    const auto found = world_.Table(kEndpointType).find(name);
    if (found != world_.Table(kEndpointType).end()) endpoints[name] = found->second->version;
  }
  EXPECT_EQ(target_.held[std::string(kEndpointType)], endpoints);
}

// A node whose registration is missing keeps what it has, and gets what is new.
TEST_F(DiscoveryTest, AViewThatKeepsRemovedResourcesTakesNothingAway) {
  class Keeping final : public TableView {
   public:
    const ResourceTable* TableOf(std::string_view) const override { return &table; }
    bool KeepsRemoved() const override { return true; }
    ResourceTable table;
  };
  world_.Put(kClusterType, "a", "1");
  client_.SubscribeToAll(kClusterType);
  Run();
  auto keeping = std::make_shared<Keeping>();
  keeping->table["b"] = std::make_shared<Resource>(Resource{"1", "b"});
  server_->SetView(keeping);
  Run();
  EXPECT_EQ(target_.log, (std::vector<std::string>{"Cluster+a", "Cluster+b"}));
  SetView();
  Run();
  EXPECT_EQ(target_.log.back(), "Cluster-b");
}

}  // namespace
}  // namespace tulle::xds
