#include "xds/client/delta_client.h"

#include <gtest/gtest.h>

#include "envoy/service/discovery/v3/discovery.pb.h"

namespace tulle::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

constexpr char kType[] = "type.googleapis.com/test.Thing";

struct Target : UpdateTarget {
  std::vector<Rejection> OnUpdate(const Update& update) override {
    updates.push_back(update);
    return std::exchange(reject, {});
  }
  std::vector<Update> updates;
  std::vector<Rejection> reject;
};

class DeltaClientTest : public testing::Test {
 protected:
  std::vector<DeltaDiscoveryRequest> Sent() {
    std::vector<DeltaDiscoveryRequest> requests;
    for (const auto& outgoing : client.TakeOutgoing()) {
      last_delay = outgoing.delay;
      requests.emplace_back();
      EXPECT_TRUE(requests.back().ParseFromString(outgoing.bytes));
    }
    return requests;
  }
  DeltaDiscoveryResponse Response(const std::string& nonce,
                                  std::vector<std::pair<std::string, std::string>> things) {
    DeltaDiscoveryResponse response;
    response.set_type_url(kType);
    response.set_nonce(nonce);
    for (const auto& [name, version] : things) {
      auto* resource = response.add_resources();
      resource->set_name(name);
      resource->set_version(version);
      resource->mutable_resource()->set_type_url(kType);
    }
    return response;
  }
  bool Receive(const DeltaDiscoveryResponse& response) {
    return client.OnMessage(response.SerializeAsString());
  }

  Target target;
  DeltaClient client{"", target};
  loop::Duration last_delay{0};
};

TEST_F(DeltaClientTest, SubscribesAcknowledgesAndTellsVersionsAfterAReconnect) {
  client.Subscribe(kType, {"a", "b"});
  client.OnStreamOpened();
  auto sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].has_node());
  EXPECT_EQ(sent[0].resource_names_subscribe_size(), 2);

  EXPECT_TRUE(Receive(Response("n1", {{"a", "1"}})));
  sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].response_nonce(), "n1");
  EXPECT_FALSE(sent[0].has_error_detail());
  EXPECT_FALSE(sent[0].has_node());

  client.Subscribe(kType, {"a", "c"});
  sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].resource_names_subscribe(0), "c");
  EXPECT_EQ(sent[0].resource_names_unsubscribe(0), "b");

  client.OnStreamClosed();
  client.OnStreamOpened();
  sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].has_node());
  EXPECT_EQ(sent[0].initial_resource_versions().at("a"), "1");
  EXPECT_EQ(sent[0].resource_names_subscribe_size(), 2);
}

// The target drops what nothing refers to, and a server does not send again what is held.
TEST_F(DeltaClientTest, ForgetsTheVersionsOfNamesThatWereGivenUp) {
  client.Subscribe(kType, {"a", "b"});
  client.OnStreamOpened();
  EXPECT_TRUE(Receive(Response("n1", {{"b", "1"}})));
  client.Subscribe(kType, {"a"});
  EXPECT_EQ(client.versions(kType).count("b"), 0u);
  // On its way when the name was given up.
  EXPECT_TRUE(Receive(Response("n2", {{"a", "1"}, {"b", "2"}})));
  EXPECT_EQ(client.versions(kType).count("a"), 1u);
  EXPECT_EQ(client.versions(kType).count("b"), 0u);
}

TEST_F(DeltaClientTest, ForgetsVersionsOfAnEarlierRunThatNothingIsSubscribedTo) {
  client.Remember(kType, "old", "1");
  client.Subscribe(kType, {});
  EXPECT_TRUE(client.versions(kType).empty());
}

TEST_F(DeltaClientTest, NamesBesideAWildcardForgetOnlyTheirOwnVersions) {
  client.SubscribeToAll(kType);
  client.Remember(kType, "all", "1");
  client.Remember(kType, "vip", "1");
  client.Subscribe(kType, {"vip"});
  EXPECT_EQ(client.versions(kType).size(), 2u);
  client.Subscribe(kType, {});
  EXPECT_EQ(client.versions(kType), (std::map<std::string, std::string>{{"all", "1"}}));
}

TEST_F(DeltaClientTest, AsksForAllWithoutNames) {
  client.SubscribeToAll(kType);
  client.OnStreamOpened();
  auto sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].resource_names_subscribe_size(), 0);
}

TEST_F(DeltaClientTest, Fault65_OneBadResourceIsRejectedAlone) {
  client.SubscribeToAll(kType);
  client.OnStreamOpened();
  Sent();
  target.reject = {{"bad", "no such field"}};
  EXPECT_TRUE(Receive(Response("n1", {{"good", "1"}, {"bad", "1"}})));
  auto sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].error_detail().code(), 3);
  EXPECT_EQ(sent[0].error_detail().message(), "bad: no such field\n");
  EXPECT_EQ(client.versions(kType).count("good"), 1u);
  EXPECT_EQ(client.versions(kType).count("bad"), 0u);
}

TEST_F(DeltaClientTest, Fault63_GarbageIsRejectedAndChangesNothing) {
  client.SubscribeToAll(kType);
  client.OnStreamOpened();
  Sent();
  EXPECT_FALSE(client.OnMessage("\xff\xff\xff"));

  auto no_nonce = Response("", {{"a", "1"}});
  EXPECT_TRUE(Receive(no_nonce));
  EXPECT_TRUE(Sent()[0].has_error_detail());

  auto twice = Response("n2", {{"a", "1"}, {"a", "2"}});
  EXPECT_TRUE(Receive(twice));
  EXPECT_TRUE(Sent()[0].has_error_detail());

  auto mixed = Response("n3", {{"a", "1"}});
  mixed.mutable_resources(0)->mutable_resource()->set_type_url("type.googleapis.com/other");
  EXPECT_TRUE(Receive(mixed));
  EXPECT_TRUE(Sent()[0].has_error_detail());

  auto unknown = Response("n4", {});
  unknown.set_type_url("type.googleapis.com/never.Asked");
  EXPECT_TRUE(Receive(unknown));
  auto sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].type_url(), "type.googleapis.com/never.Asked");
  EXPECT_TRUE(sent[0].has_error_detail());

  EXPECT_TRUE(client.versions(kType).empty());
  for (const Update& update : target.updates) EXPECT_TRUE(update.resources.empty());
}

TEST_F(DeltaClientTest, Fault63_RejectionThatQuotesGarbageIsStillAMessage) {
  client.SubscribeToAll(kType);
  client.OnStreamOpened();
  Sent();
  const auto says = [&](const std::string& error) {
    target.reject = {{"a", error}};
    EXPECT_TRUE(Receive(Response("n", {{"a", "1"}})));
    const auto sent = Sent();  // parses them, which fails for text that is not UTF-8
    return sent.empty() ? "" : sent.back().error_detail().message();
  };
  EXPECT_EQ(says("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x88"),
            "a: gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x88\n");
  EXPECT_EQ(says("\xff\xc0\x80 \xed\xa0\x80 \xc3"), "a: ??? ??? ?\n");
  // Cut in the middle of a character.
  EXPECT_TRUE(says(std::string(4092, 'x') + "\xe2\x82\xac").ends_with("x?"));
}

TEST_F(DeltaClientTest, RejectingTheSameAgainWaits) {
  client.SubscribeToAll(kType);
  client.OnStreamOpened();
  Sent();
  for (int i = 0; i < 3; ++i) {
    target.reject = {{"bad", "no"}};
    EXPECT_TRUE(Receive(Response(std::string(1, static_cast<char>(97 + i)), {{"bad", "1"}})));
    Sent();
    EXPECT_EQ(last_delay.count() > 0, i > 0) << i;
  }
}

}  // namespace
}  // namespace tulle::xds
