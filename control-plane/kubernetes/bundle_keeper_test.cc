#include "control-plane/kubernetes/bundle_keeper.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "k8s/api/testing/fake_api_server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;
using k8s::testing::FakeApiServer;
using std::chrono::seconds;

constexpr char kPath[] = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

Json Webhook(const std::string& ns, const std::string& service) {
  return {{"name", "x"}, {"clientConfig", {{"service", {{"namespace", ns}, {"name", service}}}}}};
}

class BundleKeeperTest : public ::testing::Test {
 protected:
  BundleKeeperTest() {
    server_loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.2"}));
    loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
    server_.emplace(*server_loop_, PlainAcceptor(), at_);
    server_->script = [this](FakeApiServer::Call& call) { return Patch(call); };
    client_.emplace(
        *loop_, [this] { return PlainConnector().Connect(*loop_, at_, {}); },
        k8s::Client::Options{"kubernetes:443", {"secret", ""}}, [](const std::string&) {});
    keeper_.emplace(*loop_, *client_, log_, kInjection, [this] { return is_leader_; });
    keeper_->SetRoots("one");
    client_->Start();
  }
  ~BundleKeeperTest() override {
    keeper_.reset();
    client_.reset();
    server_.reset();
  }

  // As the API server does it, with a version that must not have changed.
  bool Patch(FakeApiServer::Call& call) {
    if (call.method != "PATCH") return false;
    EXPECT_EQ(call.path, std::string(kPath) + "/tulle-inject");
    ++patches_;
    if (refusal_ != 0) {
      call.Answer(refusal_, R"({"reason":"Conflict","message":"changed"})");
      return true;
    }
    const Json operations = Json::parse(call.body);
    Put(configuration_.patch(operations));
    call.Answer(200, "{}");
    return true;
  }
  void Put(Json configuration) {
    configuration["metadata"] = Json::object();
    server_->Put(kPath, "", "tulle-inject", configuration);
    configuration_ = std::move(configuration);
    configuration_["metadata"]["resourceVersion"] = "?";
  }
  std::string Bundle(size_t webhook) const {
    std::string pem;
    const auto& config = configuration_["webhooks"][webhook]["clientConfig"];
    absl::Base64Unescape(config.value("caBundle", ""), &pem);
    return pem;
  }
  bool Until(const std::function<bool()>& condition) {
    return simulation_.RunUntil(condition, seconds(120)) == sim::Simulation::Outcome::kConditionMet;
  }

  sim::Simulation simulation_{3};
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.2:443");
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::unique_ptr<loop::Loop> server_loop_, loop_;
  std::optional<FakeApiServer> server_;
  std::optional<k8s::Client> client_;
  std::optional<BundleKeeper> keeper_;
  Json configuration_{{"webhooks",
                       {Webhook("other", "tulle-control"), Webhook("tulle-system", "tulle-control"),
                        Webhook("tulle-system", "tulle-control")}}};
  bool is_leader_ = true;
  int refusal_ = 0;
  int patches_ = 0;
};

TEST_F(BundleKeeperTest, WritesTheRootsForItsOwnWebhooksOnly) {
  Put(configuration_);
  keeper_->Start();
  EXPECT_FALSE(keeper_->was_settled());
  ASSERT_TRUE(Until([this] { return keeper_->was_settled(); }));
  EXPECT_EQ(Bundle(0), "");
  EXPECT_EQ(Bundle(1), "one");
  EXPECT_EQ(Bundle(2), "one");
  // Roles that name the object allow nothing more.
  for (const std::string& request : server_->requests) {
    EXPECT_TRUE(absl::StrContains(request, "fieldSelector=metadata.name%3Dtulle-inject") ||
                absl::StartsWith(request, "PATCH "))
        << request;
  }
  simulation_.RunFor(seconds(60));
  EXPECT_EQ(patches_, 1);
}

TEST_F(BundleKeeperTest, FollowsTheRootsAndCorrectsOthers) {
  Put(configuration_);
  keeper_->Start();
  ASSERT_TRUE(Until([this] { return Bundle(1) == "one"; }));
  keeper_->SetRoots("two");
  ASSERT_TRUE(Until([this] { return Bundle(1) == "two" && Bundle(2) == "two"; }));
  Json changed = configuration_;
  changed["webhooks"][2]["clientConfig"]["caBundle"] = absl::Base64Escape("mine");
  Put(changed);
  ASSERT_TRUE(Until([this] { return Bundle(2) == "two"; }));
  EXPECT_EQ(patches_, 3);
}

TEST_F(BundleKeeperTest, AConfigurationThatComesLaterGetsTheRootsToo) {
  keeper_->Start();
  ASSERT_TRUE(Until([this] { return keeper_->was_settled(); }));
  Put(configuration_);
  EXPECT_TRUE(Until([this] { return Bundle(1) == "one"; }));
}

TEST_F(BundleKeeperTest, ARefusalIsTriedAgainAndNotAtOnce) {
  refusal_ = 409;
  Put(configuration_);
  keeper_->Start();
  ASSERT_TRUE(Until([this] { return patches_ == 3; }));
  EXPECT_GE(simulation_.Now().time_since_epoch(), seconds(4));
  EXPECT_FALSE(keeper_->was_settled());
  refusal_ = 0;
  EXPECT_TRUE(Until([this] { return keeper_->was_settled(); }));
}

TEST_F(BundleKeeperTest, OnlyTheLeaderWrites) {
  is_leader_ = false;
  Put(configuration_);
  keeper_->Start();
  simulation_.RunFor(seconds(20));
  EXPECT_EQ(patches_, 0);
  EXPECT_FALSE(keeper_->was_settled());
  // What the leader writes is as good.
  Json written = configuration_;
  for (size_t i : {1, 2})
    written["webhooks"][i]["clientConfig"]["caBundle"] = absl::Base64Escape("one");
  Put(written);
  ASSERT_TRUE(Until([this] { return keeper_->was_settled(); }));
  keeper_->SetRoots("two");
  is_leader_ = true;
  keeper_->Write();
  EXPECT_TRUE(Until([this] { return Bundle(1) == "two"; }));
}

TEST_F(BundleKeeperTest, EachConfigurationHasItsOwn) {
  constexpr char kOther[] = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
  keeper_.emplace(*loop_, *client_, log_, kValidation, [] { return true; });
  keeper_->SetRoots("one");
  std::string written;
  server_->script = [&written](FakeApiServer::Call& call) {
    if (call.method != "PATCH") return false;
    written = call.path;
    call.Answer(200, "{}");
    return true;
  };
  server_->Put(kOther, "", "tulle-validate", configuration_);
  keeper_->Start();
  EXPECT_TRUE(Until([&] { return !written.empty(); }));
  EXPECT_EQ(written, std::string(kOther) + "/tulle-validate");
}

TEST(BundlePatch, PinsTheVersionThatItWasMadeFor) {
  Json configuration;
  configuration["metadata"]["resourceVersion"] = "17";
  configuration["webhooks"] = {Webhook("tulle-system", "tulle-control")};
  const Json patch = BundlePatch(configuration, "pem");
  ASSERT_EQ(patch.size(), 2u);
  EXPECT_EQ(patch[0],
            Json({{"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", "17"}}));
  EXPECT_EQ(patch[1]["path"], "/webhooks/0/clientConfig/caBundle");
  EXPECT_EQ(BundlePatch(configuration.patch(patch), "pem"), Json::array());
  for (const char* odd : {"{}", "[]", R"({"webhooks":{}})", R"({"webhooks":[1,null,{}]})"})
    EXPECT_EQ(BundlePatch(Json::parse(odd), "pem"), Json::array()) << odd;
}

}  // namespace
}  // namespace tulle::kubernetes
