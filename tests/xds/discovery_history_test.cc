#include "tests/xds/discovery_fixture.h"

namespace tulle::xds {
namespace {

// Changes the world and the subscriptions at random, step by step.
class DiscoveryHistory : public DiscoveryTest {
 protected:
  explicit DiscoveryHistory(uint64_t seed) : random_(seed) {
    client_.SubscribeToAll(kClusterType);
    client_.SubscribeToAll(kListenerType);
  }
  // One step; what it touched.
  struct Touched {
    std::string_view type;
    std::string name;
  };
  Touched Step() {
    const std::string name(1, static_cast<char>('a' + random_.Below(8)));
    const std::string_view type = kTypesInOrder[random_.Below(kTypesInOrder.size())];
    switch (random_.Below(8)) {
      case 0:
        world_.Remove(type, name);
        break;
      case 1:
        subscribed_.insert(name);
        Want(kEndpointType, subscribed_);
        break;
      case 2:
        subscribed_.erase(name);
        Want(kEndpointType, subscribed_);
        target_.held[std::string(kEndpointType)].erase(name);
        break;
      case 3:
        if (Interrupt()) break;
        [[fallthrough]];
      default:
        Put(type, name);
    }
    return {type, name};
  }
  // True: it took the place of a change.
  virtual bool Interrupt() { return false; }
  virtual void Put(std::string_view type, const std::string& name) = 0;

  void ExpectEndpointsAsSubscribed() {
    std::map<std::string, std::string> wanted;
    for (const std::string& name : subscribed_) {
      const auto found = world_.Table(kEndpointType).find(name);
      if (found != world_.Table(kEndpointType).end()) wanted[name] = found->second->version;
    }
    EXPECT_EQ(target_.held[std::string(kEndpointType)], wanted);
  }

  loop::Random random_;
  std::set<std::string> subscribed_;
};

class InterruptedHistory : public DiscoveryHistory {
 protected:
  InterruptedHistory() : DiscoveryHistory(7) {}
  bool Interrupt() override {
    if (random_.Below(10) == 0) Reconnect();
    return true;
  }
  void Put(std::string_view type, const std::string& name) override {
    world_.Put(type, name, std::to_string(random_.Below(4)));
  }
};

// The oracle: after any history, what the client holds is what the server has.
TEST_F(InterruptedHistory, DeltaEqualsTheFullState) {
  int synced = 0;
  for (int step = 0; step < 3000; ++step) {
    Step();
    if (random_.Below(3) != 0) continue;
    if (server_view_ != nullptr) SetView();
    now_ += std::chrono::seconds(random_.Below(3));
    Run(random_.Below(2) == 0 ? 1000 : 3);
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
  ExpectEndpointsAsSubscribed();
}

// The same, with a view of the present and nothing looked at but what is said to have changed.
class LiveHistory : public DiscoveryHistory {
 protected:
  LiveHistory() : DiscoveryHistory(11) {
    server_view_ = world_.Live();
    SendRequests();
    server_->SetView(server_view_);
  }
  void Put(std::string_view type, const std::string& name) override {
    world_.Put(type, name, std::to_string(random_.Below(4)), type == kListenerType && name > "f");
  }
  void SendRequests() {
    for (const DeltaClient::Outgoing& request : client_.TakeOutgoing()) {
      EXPECT_TRUE(server_->OnRequest(request.bytes).ok());
    }
  }
  void ExchangeMessages() {
    SendRequests();
    while (auto response = server_->Next(now_)) EXPECT_TRUE(client_.OnMessage(*response));
  }
};

TEST_F(LiveHistory, ASessionThatIsToldOfEachChangeEndsWithTheFullState) {
  for (int step = 0; step < 3000; ++step) {
    const Touched touched = Step();
    server_->OnChanged(touched.type, touched.name);
    if (random_.Below(3) != 0) continue;
    now_ += std::chrono::seconds(random_.Below(3));
    ExchangeMessages();
  }
  for (int turn = 0; turn < 10; ++turn) {
    now_ += std::chrono::minutes(1);
    ExchangeMessages();
  }
  EXPECT_TRUE(server_->IsSynced()) << "nothing is left over";
  ExpectEqual(kClusterType);
  std::map<std::string, std::string> listeners;
  for (const auto& [name, resource] : world_.Table(kListenerType)) {
    if (!resource->by_name_only) listeners[name] = resource->version;
  }
  EXPECT_EQ(target_.held[std::string(kListenerType)], listeners);
  ExpectEndpointsAsSubscribed();
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
