// Policies of our own kinds and their status against a scripted API server.
#include "control-plane/kubernetes/policy_api.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control-plane/kubernetes/fake_cluster_for_test.h"
#include "control-plane/policy/kinds.h"

namespace tulle::kubernetes {
namespace {

using k8s::testing::FakeApiServer;
using std::chrono::seconds;

constexpr char kGroupPath[] = "/apis/tulle.dev/v1alpha1";
constexpr char kPeers[] = "/apis/tulle.dev/v1alpha1/peerauthentications";

std::set<std::string> AllNames() {
  std::set<std::string> names;
  for (const policy::KindEntry& kind : policy::AllKinds())
    if (kind.api_version == policy::kTulleApiVersion) names.emplace(kind.plural);
  return names;
}

class PolicyApiTest : public FakeCluster {
 protected:
  PolicyApiTest() {
    server_->script = [this](FakeApiServer::Call& call) { return Answer(call); };
    policies_.emplace(
        *loop_, *client_, mesh_, log_,
        PolicyApi::Parts{"tulle-system",
                         [](const ServiceName&) -> const ServiceFacts* { return nullptr; },
                         [] { return true; },
                         [this] {
                           if (!std::exchange(is_settled_, true)) policies_->Publish();
                         }});
  }
  ~PolicyApiTest() override { policies_.reset(); }

  void Start() {
    client_->Start();
    policies_->Start();
  }
  bool Answer(FakeApiServer::Call& call) {
    if (is_down_) {
      call.Answer(503, "{}");
      return true;
    }
    if (call.path == kGroupPath) {
      Json list;
      for (const std::string& name : served_) list["resources"].push_back({{"name", name}});
      call.Answer(served_.empty() ? 404 : 200, list.dump());
      return true;
    }
    if (is_forbidden_ && call.path == kPeers) {
      call.Answer(403, "{}");
      return true;
    }
    if (call.method != "PATCH") return false;
    patches_[call.path] = Json::parse(call.body);
    call.Answer(200, "{}");
    return true;
  }
  void Put(const std::string& name, const std::string& mode) {
    Json object;
    object["metadata"]["generation"] = ++generation_;
    object["spec"] = {{"targetRef", {{"kind", "Service"}, {"name", name}}}, {"mode", mode}};
    server_->Put(kPeers, "shop", name, object);
  }
  bool IsInForce(const std::string& name) const {
    return mesh_.policies.Find({policy::Kind::kPeerAuthentication, "shop", name}) != nullptr;
  }
  std::string ReasonOf(const std::string& name) {
    const auto patch = patches_.find(std::string(kGroupPath) +
                                     "/namespaces/shop/peerauthentications/" + name + "/status");
    return patch == patches_.end() ? "" : patch->second["status"]["conditions"][0]["reason"];
  }

  std::set<std::string> served_ = AllNames();
  std::map<std::string, Json> patches_;
  int generation_ = 0;
  bool is_down_ = false, is_forbidden_ = false, is_settled_ = false;
  std::optional<PolicyApi> policies_;
};

TEST_F(PolicyApiTest, PoliciesAreInForceAndSaySo) {
  Put("web", "STRICT");
  Put("db", "SOMETIMES");
  Start();
  ASSERT_TRUE(Until([&] { return !ReasonOf("web").empty() && !ReasonOf("db").empty(); }));
  EXPECT_EQ(ReasonOf("web"), "Accepted");
  EXPECT_EQ(ReasonOf("db"), "Invalid");
  EXPECT_TRUE(IsInForce("web"));
  EXPECT_TRUE(IsInForce("db"));  // as strict as it can be
  EXPECT_TRUE(policies_->Serves(policy::Kind::kPeerAuthentication));
  EXPECT_FALSE(policies_->Serves(policy::Kind::kHttpRoute));
  EXPECT_EQ(policies_->Refused().size(), 1);
  Put("db", "STRICT");
  EXPECT_TRUE(Until([&] { return ReasonOf("db") == "Accepted"; }));
  server_->Delete(kPeers, "shop", "web");
  EXPECT_TRUE(Until([&] { return !IsInForce("web"); }));
}

// It may have policies that deny.
TEST_F(PolicyApiTest, AKindThatMayNotBeListedIsWaitedFor) {
  is_forbidden_ = true;
  Put("web", "STRICT");
  Start();
  simulation_.RunFor(seconds(120));
  EXPECT_FALSE(is_settled_);
  is_forbidden_ = false;
  EXPECT_TRUE(Until([&] { return IsInForce("web"); }));
}

TEST_F(PolicyApiTest, NothingIsServedBeforeAllKindsAre) {
  Put("web", "STRICT");
  served_.erase("authorizationpolicies");
  Start();
  simulation_.RunFor(seconds(120));
  EXPECT_FALSE(is_settled_);
  served_ = AllNames();
  ASSERT_TRUE(Until([&] { return IsInForce("web"); }));
  // An API server that has just started.
  served_.clear();
  simulation_.RunFor(seconds(25));
  EXPECT_TRUE(IsInForce("web"));
  served_ = AllNames();
  simulation_.RunFor(seconds(60));
  EXPECT_TRUE(IsInForce("web"));
  EXPECT_EQ(mesh_.policy_puts, 1);
  // It cannot be reached for long, and then has just started.
  is_down_ = true;
  simulation_.RunFor(seconds(90));
  is_down_ = false;
  served_.clear();
  simulation_.RunFor(seconds(20));
  EXPECT_TRUE(IsInForce("web"));
  served_ = AllNames();
  simulation_.RunFor(seconds(60));
  EXPECT_TRUE(IsInForce("web"));
  // Its definition is deleted.
  served_.erase("peerauthentications");
  EXPECT_TRUE(Until([&] { return !IsInForce("web"); }));
}

}  // namespace
}  // namespace tulle::kubernetes
