#include "control-plane/webhook/webhook.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "net/loop/sim/simulation.h"

namespace tulle::webhook {
namespace {

using Json = nlohmann::json;

class Lines final : public telemetry::Log::Sink {
 public:
  explicit Lines(std::string* all) : all_(all) {}
  void Write(std::string_view line) override { *all_ += line; }

 private:
  std::string* all_;
};

class WebhookTest : public ::testing::Test {
 protected:
  static Json Pod() {
    Json pod;
    pod["metadata"] = {{"name", "web"}, {"labels", {{"app", "web"}}}};
    pod["spec"]["containers"] = {{{"name", "web"}, {"image", "web:1"}}};
    return pod;
  }
  Json Review(Json pod, const std::string& operation = "CREATE") {
    Json request{{"uid", "u-1"},
                 {"kind", {{"group", ""}, {"version", "v1"}, {"kind", "Pod"}}},
                 {"namespace", "shop"},
                 {"operation", operation},
                 {"object", std::move(pod)}};
    const Json review{{"kind", "AdmissionReview"},
                      {"apiVersion", "admission.k8s.io/v1"},
                      {"request", std::move(request)}};
    const Reply reply = webhook_.Review("/inject", review.dump());
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.content_type, "application/json");
    return Json::parse(reply.body)["response"];
  }
  size_t lines() const {
    return static_cast<size_t>(std::count(log_text_.begin(), log_text_.end(), '\n'));
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  std::string log_text_;
  telemetry::Log log_{telemetry::LogLevel::kInfo, telemetry::Log::Form::kText,
                      std::make_unique<Lines>(&log_text_)};
  Webhook webhook_{*loop_, log_, Settings{}, "tulle-system"};
};

TEST_F(WebhookTest, OnlyAPostOfJsonIsRead) {
  const auto status = [this](const char* method, const char* path, const char* type) {
    const auto reply = webhook_.Refuse(method, path, type);
    return reply ? reply->status : 200;
  };
  EXPECT_EQ(status("POST", "/inject", "application/json"), 200);
  EXPECT_EQ(status("POST", "/inject", "Application/JSON ; charset=utf-8"), 200);
  EXPECT_EQ(status("POST", "/validate", "application/json"), 200);
  EXPECT_EQ(webhook_.counts().invalid, 0u);
  EXPECT_EQ(status("POST", "/", "application/json"), 404);
  EXPECT_EQ(status("POST", "/inject/", "application/json"), 404);
  EXPECT_EQ(status("GET", "/inject", "application/json"), 405);
  for (const char* type : {"", "text/plain", "application/json5", "application/yaml"})
    EXPECT_EQ(status("POST", "/inject", type), 415) << type;
  EXPECT_EQ(webhook_.counts().invalid, 7u);
}

TEST_F(WebhookTest, CountsByResultAndReason) {
  EXPECT_TRUE(Review(Pod()).contains("patch"));
  Json pod = Pod();
  pod["spec"]["hostNetwork"] = true;
  EXPECT_FALSE(Review(pod).contains("patch"));
  EXPECT_EQ(Review(Pod(), "UPDATE")["allowed"], true);
  pod = Pod();
  pod["metadata"]["annotations"]["tulle.dev/proxy-cpu"] = "lots";
  EXPECT_EQ(Review(pod)["allowed"], false);
  EXPECT_EQ(webhook_.Review("/inject", "{").status, 400);
  EXPECT_EQ(webhook_.counts().injected, 1u);
  EXPECT_EQ(webhook_.counts().refused, 1u);
  EXPECT_EQ(webhook_.counts().invalid, 1u);
  const std::map<std::string_view, uint64_t> skipped{{"host_network", 1}, {"not_a_new_pod", 1}};
  EXPECT_EQ(webhook_.counts().skipped, skipped);
  EXPECT_TRUE(absl::StrContains(log_text_,
                                "webhook: refused pod \"shop/web\": annotation "
                                "tulle.dev/proxy-cpu"))
      << log_text_;
  EXPECT_EQ(lines(), 2u) << log_text_;
}

TEST_F(WebhookTest, PoliciesAreCountedApartFromPods) {
  const auto review = [this](const char* mode) {
    const Json request{
        {"uid", "u-1"},
        {"kind", {{"group", "tulle.dev"}, {"version", "v1alpha1"}, {"kind", "PeerAuthentication"}}},
        {"namespace", "shop"},
        {"name", "web"},
        {"operation", "CREATE"},
        {"object", {{"spec", {{"targetRef", {{"kind", "Namespace"}}}, {"mode", mode}}}}}};
    const Json all{
        {"kind", "AdmissionReview"}, {"apiVersion", "admission.k8s.io/v1"}, {"request", request}};
    return Json::parse(webhook_.Review("/validate", all.dump()).body)["response"]["allowed"];
  };
  EXPECT_EQ(review("STRICT"), true);
  EXPECT_EQ(review("strictly"), false);
  EXPECT_EQ(webhook_.Review("/validate", "{").status, 400);
  EXPECT_EQ(webhook_.counts().policies_allowed, 1u);
  EXPECT_EQ(webhook_.counts().policies_refused, 1u);
  EXPECT_EQ(webhook_.counts().refused, 0u);
  EXPECT_EQ(webhook_.counts().invalid, 1u);
  EXPECT_TRUE(
      absl::StrContains(log_text_, "webhook: refused PeerAuthentication \"shop/web\": spec.mode: "))
      << log_text_;
}

TEST_F(WebhookTest, AFloodOfInvalidRequestsLeavesFewLines) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(webhook_.Review("/inject", "garbage").status, 400);
  EXPECT_EQ(lines(), 20u);
  simulation_.RunFor(std::chrono::seconds(10));
  webhook_.Review("/inject", "garbage");
  EXPECT_EQ(lines(), 21u);
  EXPECT_TRUE(absl::StrContains(log_text_, "(980 lines about other requests were left out)"));
  EXPECT_EQ(webhook_.counts().invalid, 1001u);
}

}  // namespace
}  // namespace tulle::webhook
