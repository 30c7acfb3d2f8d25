// Routes and their status against a scripted API server.
#include "control-plane/kubernetes/gateway_api.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/fake_cluster_for_test.h"

namespace tulle::kubernetes {
namespace {

using k8s::testing::FakeApiServer;
using std::chrono::seconds;

constexpr char kV1[] = "/apis/gateway.networking.k8s.io/v1";
constexpr char kV1Beta1[] = "/apis/gateway.networking.k8s.io/v1beta1";
constexpr char kRoutes[] = "/apis/gateway.networking.k8s.io/v1/httproutes";
constexpr char kOldGrants[] = "/apis/gateway.networking.k8s.io/v1beta1/referencegrants";

class GatewayApiTest : public FakeCluster {
 protected:
  GatewayApiTest() {
    server_->script = [this](FakeApiServer::Call& call) { return Answer(call); };
    web_.ports[""] = {80, Protocol::kHttp};
    web_.declared.ports[80] = Protocol::kHttp;
    gateway_.emplace(*loop_, *client_, mesh_, log_,
                     GatewayApi::Parts{[this](const ServiceName&) { return &web_; },
                                       [this] { return is_leader_; },
                                       [this] {
                                         if (!std::exchange(is_settled_, true)) gateway_->Publish();
                                       }});
  }
  ~GatewayApiTest() override { gateway_.reset(); }

  void Start() {
    client_->Start();
    gateway_->Start();
  }
  bool Answer(FakeApiServer::Call& call) {
    if (const auto version = served_.find(call.path); version != served_.end()) {
      Json list;
      for (const std::string& name : version->second) list["resources"].push_back({{"name", name}});
      call.Answer(version->second.empty() ? 404 : 200, list.dump());
      return true;
    }
    if (call.method != "PATCH") return false;
    patches_.push_back(call.path);
    ++under_way_;
    most_under_way_ = std::max(most_under_way_, under_way_);
    if (!holds_patches_) Settle(call);
    return true;
  }
  void Settle(FakeApiServer::Call& call) {
    --under_way_;
    if (!refusals_.empty()) {
      const int status = refusals_.back();
      refusals_.pop_back();
      return call.Answer(status, "{}");
    }
    const Json patch = Json::parse(call.body);
    const std::string name = call.path.substr(call.path.find("httproutes/") + 11);
    Json& route = routes_[name.substr(0, name.find('/'))];
    route["status"] = patch["status"];
    call.Answer(200, "{}");
    server_->Put(kRoutes, "shop", name.substr(0, name.find('/')), route);
  }
  void PutRoute(const std::string& name, const std::string& rules = "[{}]", int generation = 1) {
    Json route;
    route["metadata"]["generation"] = generation;
    route["spec"]["parentRefs"] = {{{"group", ""}, {"kind", "Service"}, {"name", "web"}}};
    route["spec"]["rules"] = Json::parse(rules);
    routes_[name] = route;
    server_->Put(kRoutes, "shop", name, route);
  }
  const policy::HttpRoute* Policy(const std::string& name) const {
    const auto* document = mesh_.policies.Find({policy::Kind::kHttpRoute, "shop", name});
    return document == nullptr ? nullptr : &std::get<policy::HttpRoute>(document->spec);
  }
  std::string AcceptedOf(const std::string& name) {
    return routes_[name]["status"]["parents"][0]["conditions"][0]["reason"];
  }
  bool HasStatus(const std::string& name) { return routes_[name].contains("status"); }

  std::map<std::string, std::set<std::string>> served_ = {{kV1, {"httproutes"}},
                                                          {kV1Beta1, {"referencegrants"}}};
  std::map<std::string, Json> routes_;
  std::vector<int> refusals_;  // of the next patches, the last one first
  std::vector<std::string> patches_;
  bool holds_patches_ = false;
  int under_way_ = 0, most_under_way_ = 0;
  ServiceFacts web_;
  bool is_leader_ = true, is_settled_ = false;
  std::optional<GatewayApi> gateway_;
};

TEST_F(GatewayApiTest, RoutesAreInForceWhenTheListingEnds) {
  PutRoute("a");
  PutRoute("b", R"([{"unknown":1}])");
  Start();
  ASSERT_TRUE(Until([&] { return HasStatus("a") && HasStatus("b"); }));
  EXPECT_NE(Policy("a"), nullptr);
  EXPECT_EQ(Policy("b"), nullptr);
  EXPECT_EQ(AcceptedOf("a"), "Accepted");
  EXPECT_EQ(AcceptedOf("b"), "UnsupportedValue");
  EXPECT_EQ(patches_[0], absl::StrCat(kV1, "/namespaces/shop/httproutes/a/status"));
  EXPECT_TRUE(gateway_->Serves(policy::Kind::kHttpRoute));
  EXPECT_FALSE(gateway_->Serves(policy::Kind::kResiliencePolicy));
  simulation_.RunFor(seconds(60));
  EXPECT_EQ(patches_.size(), 2u);  // each once
}

TEST_F(GatewayApiTest, AClusterWithoutTheGatewayApiIsNoProblem) {
  served_ = {{kV1, {}}, {kV1Beta1, {}}};
  Start();
  ASSERT_TRUE(Until([&] { return is_settled_; }));
  EXPECT_FALSE(gateway_->Serves(policy::Kind::kHttpRoute));
  EXPECT_EQ(server_->watches(), 0u);
  // It is installed, and removed again.
  served_ = {{kV1, {"httproutes", "referencegrants"}}, {kV1Beta1, {"referencegrants"}}};
  PutRoute("a");
  ASSERT_TRUE(Until([&] { return Policy("a") != nullptr; }));
  served_ = {{kV1, {}}, {kV1Beta1, {}}};
  ASSERT_TRUE(Until([&] { return Policy("a") == nullptr; }));
  EXPECT_TRUE(Until([&] { return server_->watches() == 0; }));
}

// As by an API server that has just started and does not know its custom resources yet.
TEST_F(GatewayApiTest, AShortAbsenceOfTheGatewayApiChangesNothing) {
  PutRoute("a");
  Start();
  ASSERT_TRUE(Until([&] { return Policy("a") != nullptr; }));
  const auto served = std::exchange(served_, {{kV1, {}}, {kV1Beta1, {}}});
  simulation_.RunFor(seconds(25));
  EXPECT_NE(Policy("a"), nullptr);
  served_ = served;
  simulation_.RunFor(seconds(60));
  EXPECT_NE(Policy("a"), nullptr);
  EXPECT_EQ(mesh_.policy_puts, 1);
}

TEST_F(GatewayApiTest, NothingIsInForceBeforeTheGrantsAreListed) {
  FakeApiServer::Call* held = nullptr;
  server_->script = [&](FakeApiServer::Call& call) {
    const bool is_held = call.path == kOldGrants && held == nullptr;
    if (is_held) held = &call;
    return is_held || Answer(call);
  };
  PutRoute("a", R"([{"backendRefs":[{"name":"web","namespace":"other","port":80}]}])");
  Json grant;
  grant["spec"]["from"] = {
      {{"group", kGatewayGroup}, {"kind", "HTTPRoute"}, {"namespace", "shop"}}};
  grant["spec"]["to"] = {{{"group", ""}, {"kind", "Service"}}};
  server_->Put(kOldGrants, "other", "g", grant);
  Start();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1 && held != nullptr; }));
  simulation_.RunFor(seconds(20));
  EXPECT_FALSE(is_settled_);
  held->Answer(500, "{}");  // it is asked again
  ASSERT_TRUE(Until([&] { return Policy("a") != nullptr; }));
  EXPECT_EQ(Policy("a")->rules[0].backends[0].invalid, "");
  server_->Delete(kOldGrants, "other", "g");
  EXPECT_TRUE(Until([&] { return Policy("a")->rules[0].backends[0].invalid != ""; }));
}

TEST_F(GatewayApiTest, WhatMayNotBeListedHoldsNothingUp) {
  server_->script = [&](FakeApiServer::Call& call) {
    if (call.path != kOldGrants) return Answer(call);
    call.Answer(403, R"({"message":"forbidden"})");
    return true;
  };
  PutRoute("a");
  Start();
  EXPECT_TRUE(Until([&] { return Policy("a") != nullptr; }));
}

// As by an API server that has just started and does not know its roles and custom resources yet.
TEST_F(GatewayApiTest, AListingThatIsRefusedForAMomentIsWaitedFor) {
  int refused = 0;
  server_->script = [&](FakeApiServer::Call& call) {
    const bool is_refused = call.path == kRoutes && refused < 4;
    if (!is_refused) return Answer(call);
    call.Answer(refused++ % 2 == 0 ? 403 : 404, "{}");
    return true;
  };
  PutRoute("a");
  Start();
  ASSERT_TRUE(Until([&] { return is_settled_; }));
  EXPECT_NE(Policy("a"), nullptr) << "settled without the routes";
  EXPECT_EQ(refused, 4);
}

TEST_F(GatewayApiTest, OnlyTheLeaderWrites) {
  is_leader_ = false;
  PutRoute("a");
  Start();
  ASSERT_TRUE(Until([&] { return Policy("a") != nullptr; }));
  simulation_.RunFor(seconds(30));
  EXPECT_TRUE(patches_.empty());
  is_leader_ = true;
  EXPECT_TRUE(Until([&] { return HasStatus("a"); }));
}

TEST_F(GatewayApiTest, FewWritesAreUnderWay) {
  for (int i = 0; i < 30; ++i) PutRoute(absl::StrCat("r", i));
  std::vector<FakeApiServer::Call*> held;
  server_->script = [&](FakeApiServer::Call& call) {
    if (call.method == "PATCH") held.push_back(&call);
    return Answer(call);
  };
  holds_patches_ = true;
  Start();
  ASSERT_TRUE(Until([&] { return held.size() == 4; }));
  simulation_.RunFor(seconds(5));
  EXPECT_EQ(held.size(), 4u);
  holds_patches_ = false;
  for (FakeApiServer::Call* call : held) Settle(*call);
  EXPECT_TRUE(Until([&] { return patches_.size() == 30; }));
  EXPECT_EQ(most_under_way_, 4);
}

TEST_F(GatewayApiTest, ARefusedWriteIsTriedAgain) {
  refusals_ = {409, 500, 503};
  PutRoute("a");
  Start();
  EXPECT_TRUE(Until([&] { return HasStatus("a"); }));
  EXPECT_EQ(patches_.size(), 4u);
  // What has gone meanwhile is not.
  refusals_ = {404};
  PutRoute("b");
  ASSERT_TRUE(Until([&] { return patches_.size() == 5; }));
  server_->Delete(kRoutes, "shop", "b");
  simulation_.RunFor(seconds(60));
  EXPECT_EQ(patches_.size(), 5u);
}

TEST_F(GatewayApiTest, AnotherVersionIsWrittenWhenItIsKnown) {
  PutRoute("a");
  Start();
  ASSERT_TRUE(Until([&] { return HasStatus("a"); }));
  PutRoute("a", R"([{"unknown":1}])", 2);
  ASSERT_TRUE(Until([&] { return HasStatus("a") && AcceptedOf("a") == "UnsupportedValue"; }));
  EXPECT_EQ(Policy("a"), nullptr);
  EXPECT_EQ(routes_["a"]["status"]["parents"][0]["conditions"][0]["observedGeneration"], 2);
}

}  // namespace
}  // namespace tulle::kubernetes
