#include "tests/xds/discovery_fixture.h"

namespace tulle::xds {
namespace {

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

}  // namespace
}  // namespace tulle::xds
