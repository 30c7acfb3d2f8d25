#include "k8s/inject/review.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "k8s/inject/testing_pods.h"

namespace tulle::inject {
namespace {

const Json kEnabled = {{"tulle.dev/inject", "enabled"}};

Json Request(const char* pod = testing::kWeb) {
  return {{"uid", "705ab4f5-6393-11e8-b7cc-42010a800002"},
          {"kind", {{"group", ""}, {"version", "v1"}, {"kind", "Pod"}}},
          {"resource", {{"group", ""}, {"version", "v1"}, {"resource", "pods"}}},
          {"name", ""},
          {"namespace", "shop"},
          {"operation", "CREATE"},
          {"object", *ParseJson(pod)},
          {"oldObject", nullptr},
          {"dryRun", false}};
}

ReviewAnswer Answer(const Json& request) {
  const Json review = {
      {"kind", "AdmissionReview"}, {"apiVersion", "admission.k8s.io/v1"}, {"request", request}};
  return Review(review.dump(), kEnabled, {});
}

Json Response(const Json& request) {
  const ReviewAnswer answer = Answer(request);
  EXPECT_EQ(answer.status, 200) << answer.body;
  const Json review = Json::parse(answer.body);
  EXPECT_EQ(review["apiVersion"], "admission.k8s.io/v1");
  EXPECT_EQ(review["kind"], "AdmissionReview");
  EXPECT_EQ(review["response"]["uid"], request["uid"]);
  return review["response"];
}

TEST(Review, ANewPodIsPatched) {
  const Json response = Response(Request());
  EXPECT_EQ(response["allowed"], true);
  EXPECT_EQ(response["patchType"], "JSONPatch");
  std::string patch;
  ASSERT_TRUE(absl::Base64Unescape(response["patch"].get<std::string>(), &patch));
  const Json pod = Request()["object"].patch(Json::parse(patch));
  EXPECT_EQ(pod["spec"]["initContainers"][1]["name"], "tulle-sidecar");
  EXPECT_EQ(Answer(Request()).log, "injected pod \"shop/web-7d4b9c6f5b-?\"");
}

TEST(Review, WhatIsNotANewPodPassesUnchanged) {
  const auto unchanged = [](const Json& request) {
    const Json response = Response(request);
    EXPECT_EQ(response["allowed"], true);
    EXPECT_FALSE(response.contains("patch"));
    EXPECT_FALSE(response.contains("patchType"));
  };
  Json request = Request();
  request["operation"] = "UPDATE";
  unchanged(request);
  request = Request();
  request["kind"]["kind"] = "Deployment";
  request["kind"]["group"] = "apps";
  unchanged(request);
  request = Request();
  request["subResource"] = "ephemeralcontainers";
  unchanged(request);
  request = Request();
  request["object"]["spec"]["hostNetwork"] = true;
  unchanged(request);
  request = Request();
  request["namespace"] = "kube-system";
  unchanged(request);
}

TEST(Review, ARefusalSaysWhy) {
  Json request = Request(testing::kBare);
  request["object"]["metadata"]["annotations"]["tulle.dev/log-level"] = "loud\n";
  const Json refused = Response(request);
  EXPECT_EQ(refused["allowed"], false);
  EXPECT_EQ(refused["status"]["code"], 400);
  EXPECT_EQ(refused["status"]["message"],
            "tulle cannot inject the pod: annotation tulle.dev/log-level: invalid value "
            "\"loud\\n\": must be trace, debug, info, warning, error or off");
  EXPECT_EQ(Answer(request).log.find('\n'), std::string::npos);
}

TEST(Review, WarningsReachTheUser) {
  Json request = Request(testing::kBare);
  request["object"]["metadata"]["annotations"]["tulle.dev/frob"] = "1";
  EXPECT_EQ(Response(request)["warnings"].size(), 1u);
}

TEST(Review, Fault81_MalformedReviewsAreBadRequests) {
  const std::string whole = Json({{"kind", "AdmissionReview"},
                                  {"apiVersion", "admission.k8s.io/v1"},
                                  {"request", Request()}})
                                .dump();
  for (size_t size = 0; size < whole.size(); size += 7)
    EXPECT_EQ(Review(whole.substr(0, size), kEnabled, {}).status, 400);
  const char* const kBad[] = {
      "null",
      "[]",
      "{}",
      "\"AdmissionReview\"",
      R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"})",
      R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"})",
      R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":[]})",
      R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":7}})"};
  for (const char* bad : kBad) EXPECT_EQ(Review(bad, kEnabled, {}).status, 400) << bad;
  Json request = Request();
  request["uid"] = std::string(300, 'u');
  EXPECT_EQ(Answer(request).status, 400);
  request = Request();
  request.erase("object");
  EXPECT_EQ(Answer(request).status, 400);
  EXPECT_EQ(Review(std::string(9 << 20, ' '), kEnabled, {}).status, 413);
}

TEST(Review, Fault81_AnObjectThatIsNotAPodIsRefused) {
  for (const Json& object : {Json(1), Json("x"), Json::array({1}), Json::object()}) {
    Json request = Request();
    request["object"] = object;
    EXPECT_EQ(Response(request)["allowed"], false) << object;
  }
}

}  // namespace
}  // namespace tulle::inject
