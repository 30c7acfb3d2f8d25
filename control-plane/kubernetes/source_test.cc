// The source, token reviews and the ConfigMap of roots against a scripted API server.
#include "control-plane/kubernetes/source.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/fake_cluster_for_test.h"
#include "control-plane/kubernetes/roots_publisher.h"
#include "control-plane/kubernetes/token_reviews.h"

namespace tulle::kubernetes {
namespace {

using k8s::testing::FakeApiServer;
using std::chrono::seconds;

constexpr char kPods[] = "/api/v1/pods";
constexpr char kServices[] = "/api/v1/services";
constexpr char kSlices[] = "/apis/discovery.k8s.io/v1/endpointslices";
constexpr char kNamespaces[] = "/api/v1/namespaces";

class SourceTest : public FakeCluster {
 protected:
  SourceTest() {
    reviews_.emplace(*loop_, *client_, kAudience);
    roots_.emplace(*loop_, *client_, log_, [this] { return is_leader_; });
    source_.emplace(*loop_, *client_, "cluster.local", mesh_, log_,
                    Source::Events{[this] { ++synced_; },
                                   [this](const std::string& ns, bool is_injected) {
                                     roots_->SetNamespace(ns, is_injected);
                                   },
                                   [this](const std::string& uid) { gone_.push_back(uid); },
                                   [](const ServiceName&) {}});
    client_->Start();
  }
  ~SourceTest() override {
    source_.reset();
    roots_.reset();
    reviews_.reset();
  }

  void PutWeb() {
    server_->Put(kServices, "shop", "web",
                 {{"spec", {{"clusterIP", "10.96.0.7"}, {"ports", {{{"port", 80}}}}}}});
    Json slice;
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = "web";
    slice["ports"] = {{{"port", 8080}}};
    slice["endpoints"] = {
        {{"addresses", {"10.1.0.1"}}, {"targetRef", {{"kind", "Pod"}, {"uid", "u1"}}}}};
    server_->Put(kSlices, "shop", "web-a", slice);
    Json pod;
    pod["metadata"] = {{"uid", "u1"}, {"labels", {{kMeshedLabel, "true"}}}};
    pod["status"]["podIP"] = "10.1.0.1";
    server_->Put(kPods, "shop", "web-1", pod);
  }
  absl::StatusOr<ServiceAccount> Review(int status, const std::string& answer) {
    server_->script = [=](FakeApiServer::Call& call) {
      if (call.method != "POST") return false;
      call.Answer(status, answer);
      return true;
    };
    EXPECT_TRUE(Until([&] { return client_->ready(); }));
    std::optional<absl::StatusOr<ServiceAccount>> result;
    reviews_->Review("10.0.0.2", "a.b.c",
                     [&](absl::StatusOr<ServiceAccount> r) { result = std::move(r); });
    EXPECT_TRUE(Until([&] { return result.has_value(); }));
    return *result;
  }

  int synced_ = 0;
  bool is_leader_ = true;
  std::vector<std::string> gone_;
  std::optional<TokenReviews> reviews_;
  std::optional<RootsPublisher> roots_;
  std::optional<Source> source_;
};

TEST_F(SourceTest, IsSilentUntilEverythingIsListed) {
  PutWeb();
  FakeApiServer::Call* held = nullptr;
  server_->script = [&](FakeApiServer::Call& call) {
    const bool is_held = call.path == kPods && held == nullptr;
    if (is_held) held = &call;
    return is_held;
  };
  source_->Start();
  ASSERT_TRUE(Until([&] { return server_->watches() == 4 && held != nullptr; }));
  simulation_.RunFor(seconds(5));
  EXPECT_TRUE(mesh_.empty());
  EXPECT_EQ(mesh_.changes, 0);
  EXPECT_EQ(synced_, 0);
  held->Answer(500, "{}");  // it is asked again
  ASSERT_TRUE(Until([&] { return synced_ == 1; }));
  EXPECT_EQ(mesh_.changes, 1);
  EXPECT_TRUE(mesh_.workloads.at("u1").is_meshed);
  EXPECT_EQ(mesh_.services.size(), 1u);
}

TEST_F(SourceTest, WhileTheApiServerIsGoneTheMeshStays) {
  PutWeb();
  source_->Start();
  ASSERT_TRUE(Until([&] { return server_->watches() == 5; }));
  const int changes = mesh_.changes;
  server_.reset();
  simulation_.RunFor(seconds(60));
  EXPECT_EQ(mesh_.changes, changes);
  EXPECT_EQ(mesh_.workloads.size(), 1u);
  // It comes back with an empty store.
  StartServer();
  for (int i = 0; i < 20; ++i) server_->Put("/other", "shop", "other", {});
  server_->Compact();
  EXPECT_TRUE(Until([&] { return mesh_.empty() && !gone_.empty(); }));
  EXPECT_EQ(gone_, std::vector<std::string>{"u1"});
  EXPECT_EQ(synced_, 1);
}

TEST_F(SourceTest, RootsAreWrittenWherePodsAreInjected) {
  std::vector<std::string> written;
  int refused = 0;
  server_->script = [&](FakeApiServer::Call& call) {
    if (call.method != "PATCH") return false;
    if (refused++ == 0) {
      call.Answer(500, "{}");
      return true;
    }
    written.push_back(call.path + " " +
                      Json::parse(call.body)["data"][kRootsKey].get<std::string>());
    call.Answer(200, "{}");
    return true;
  };
  const auto put = [&](const char* ns, const char* inject) {
    Json object;
    object["metadata"]["labels"][kInjectLabel] = inject;
    server_->Put(kNamespaces, "", ns, object);
  };
  put("shop", "enabled");
  put("other", "disabled");
  roots_->SetRoots("R1");
  source_->Start();
  const std::string path = "/api/v1/namespaces/shop/configmaps/tulle-ca-root-cert";
  ASSERT_TRUE(Until([&] { return !written.empty(); }));
  EXPECT_EQ(written, (std::vector<std::string>{path + " R1"}));
  roots_->SetRoots("R2");
  ASSERT_TRUE(Until([&] { return written.size() == 2; }));
  EXPECT_EQ(written[1], path + " R2");
  simulation_.RunFor(std::chrono::minutes(11));
  EXPECT_EQ(written.size(), 3u);
  put("shop", "disabled");
  simulation_.RunFor(std::chrono::minutes(11));
  EXPECT_EQ(written.size(), 3u);
}

constexpr char kGood[] = R"({"status":{"authenticated":true,"audiences":["tulle"],"user":{
    "username":"system:serviceaccount:shop:web",
    "extra":{"authentication.kubernetes.io/pod-uid":["u1"]}}}})";

TEST_F(SourceTest, AReviewTellsTheServiceAccount) {
  const auto account = Review(201, kGood);
  ASSERT_TRUE(account.ok()) << account.status();
  EXPECT_EQ(account->ns, "shop");
  EXPECT_EQ(account->name, "web");
  EXPECT_EQ(account->pod_uid, "u1");
}

TEST_F(SourceTest, WhatIsNoGoodTokenIsRefused) {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"status":{"error":"token has expired"}})", "token has expired"},
      {R"({"status":{"authenticated":"true"}})", "refused"},
      {R"({"status":{"authenticated":true,"user":{
          "username":"system:serviceaccount:shop:web"}}})",
       "audience"},
      {R"({"status":{"authenticated":true,"audiences":["tulle"],"user":{"username":"admin"}}})",
       "service account"},
      {R"({"status":{"authenticated":true,"audiences":["tulle"],"user":{
          "username":"system:serviceaccount::web"}}})",
       "service account"},
  };
  for (const auto& [answer, text] : refused) {
    const auto account = Review(201, answer);
    EXPECT_TRUE(absl::IsUnauthenticated(account.status())) << answer;
    EXPECT_TRUE(absl::StrContains(account.status().message(), text)) << account.status();
  }
  EXPECT_TRUE(absl::IsUnavailable(Review(403, R"({"message":"forbidden"})").status()));
  EXPECT_TRUE(absl::IsUnavailable(Review(201, "<html>").status()));
}

TEST_F(SourceTest, ReviewsAreBounded) {
  ASSERT_TRUE(Until([&] { return client_->ready(); }));
  server_->script = [](FakeApiServer::Call&) { return true; };  // no answer
  int done = 0;
  const auto ask = [&](const std::string& source) {
    reviews_->Review(source, "t", [&](const auto& result) {
      EXPECT_TRUE(absl::IsUnavailable(result.status()));
      ++done;
    });
  };
  int asked = 0;
  for (; reviews_->HasRoom("10.0.0.2"); ++asked) ask("10.0.0.2");
  EXPECT_EQ(asked, 22) << "one source leaves room for others";
  for (; asked < 64; ++asked) {
    const std::string source = absl::StrCat("10.0.1.", asked);
    EXPECT_TRUE(reviews_->HasRoom(source));
    ask(source);
  }
  EXPECT_FALSE(reviews_->HasRoom("10.0.0.3"));
  ASSERT_TRUE(Until([&] { return done == 64; }));
  EXPECT_TRUE(reviews_->HasRoom("10.0.0.2"));
}

}  // namespace
}  // namespace tulle::kubernetes
