#include "control-plane/webhook/policy_review.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "control-plane/webhook/policy_request.h"

namespace tulle::webhook {
namespace {

using inject::Json;
using inject::ReviewAnswer;

constexpr char kValid[] = R"({"targetRef":{"kind":"Service","name":"web"},"mode":"STRICT"})";
// The schema allows it, the parser does not.
constexpr char kOdd[] =
    R"({"targetRef":{"kind":"Service","name":"web"},"action":"DENY",
        "rules":[{"from":{"principals":["not an identity"]}}]})";

Json Request(const char* kind, const char* spec) {
  return {{"uid", "u-1"},
          {"kind", {{"group", "tulle.dev"}, {"version", "v1alpha1"}, {"kind", kind}}},
          {"name", "web"},
          {"namespace", "shop"},
          {"operation", "CREATE"},
          {"object", {{"metadata", {{"name", "web"}}}, {"spec", *inject::ParseJson(spec)}}},
          {"oldObject", nullptr}};
}

ReviewAnswer Answer(const Json& request) {
  const Json review = {
      {"kind", "AdmissionReview"}, {"apiVersion", "admission.k8s.io/v1"}, {"request", request}};
  return ReviewPolicy(review.dump(), "tulle-system");
}

Json Response(const Json& request) {
  const ReviewAnswer answer = Answer(request);
  EXPECT_EQ(answer.status, 200) << answer.body;
  const Json review = Json::parse(answer.body);
  EXPECT_EQ(review["response"]["uid"], "u-1");
  EXPECT_FALSE(review["response"].contains("patch"));
  return review["response"];
}

bool IsAllowed(const Json& request) { return Response(request)["allowed"] == true; }

TEST(PolicyReview, TheParserDecides) {
  EXPECT_TRUE(IsAllowed(Request("PeerAuthentication", kValid)));
  const Json refused = Response(Request("AuthorizationPolicy", kOdd));
  EXPECT_EQ(refused["allowed"], false);
  EXPECT_EQ(refused["status"]["code"], 422);
  EXPECT_EQ(refused["status"]["reason"], "Invalid");
  const auto message = refused["status"]["message"].get<std::string>();
  EXPECT_TRUE(message.starts_with("spec.rules[0].from.principals")) << message;
  EXPECT_EQ(Answer(Request("AuthorizationPolicy", kOdd)).log,
            "refused AuthorizationPolicy \"shop/web\": " + message);
  // A spec that is absent or of another type.
  for (const char* spec : {"null", "[]", "7", "{}", R"("x")"})
    EXPECT_FALSE(IsAllowed(Request("PeerAuthentication", spec))) << spec;
}

TEST(PolicyReview, WhoWritesInOneNamespaceHasNoSayInOthers) {
  Json request = Request("PeerAuthentication", R"({"targetRef":{"kind":"Mesh"},"mode":"STRICT"})");
  EXPECT_EQ(Response(request)["status"]["message"],
            "spec.targetRef.kind: a policy for the whole mesh must be in namespace tulle-system");
  request["namespace"] = "tulle-system";
  EXPECT_TRUE(IsAllowed(request));
}

TEST(PolicyReview, AStoredPolicyThatIsInvalidCanBeLabelledAndDeleted) {
  Json request = Request("AuthorizationPolicy", kOdd);
  request["operation"] = "UPDATE";
  request["oldObject"] = request["object"];
  request["object"]["metadata"]["labels"]["team"] = "shop";
  EXPECT_TRUE(IsAllowed(request));
  request["oldObject"]["spec"]["action"] = "ALLOW";
  EXPECT_FALSE(IsAllowed(request));
  request["object"]["metadata"]["deletionTimestamp"] = "2026-11-23T04:00:00Z";
  EXPECT_TRUE(IsAllowed(request));
}

TEST(PolicyReview, WhatIsNotAChangeOfAPolicyPassesUnchanged) {
  for (const char* member : {"group", "version", "kind"}) {
    Json request = Request("AuthorizationPolicy", kOdd);
    request["kind"][member] = "other";
    EXPECT_TRUE(IsAllowed(request)) << member;
  }
  // The Gateway API says that an invalid route is stored and its status tells why.
  EXPECT_TRUE(IsAllowed(Request("HTTPRoute", "{}")));
  for (const char* operation : {"DELETE", "CONNECT", ""}) {
    Json request = Request("AuthorizationPolicy", kOdd);
    request["operation"] = operation;
    EXPECT_TRUE(IsAllowed(request)) << operation;
  }
  Json request = Request("AuthorizationPolicy", kOdd);
  request["subResource"] = "status";
  EXPECT_TRUE(IsAllowed(request));
}

TEST(PolicyReview, ANameThatTheServerWillMakeIsNotMissing) {
  Json request = Request("PeerAuthentication", kValid);
  request.erase("name");
  request["object"]["metadata"] = {{"generateName", "web-"}};
  EXPECT_TRUE(IsAllowed(request));
}

std::string ReasonOf(const Json& request) {
  const Json response = Response(request);
  return response["allowed"] == true ? "" : response["status"]["message"].get<std::string>();
}

TEST(PolicyReview, TheLimitsAreThoseOfTheSpec) {
  // Much metadata, and many values in the version before.
  Json request = Request("PeerAuthentication", kValid);
  request["object"]["metadata"]["managedFields"] = std::vector<int>(60'000, 1);
  request["oldObject"] = {{"spec", {{"rules", std::vector<int>(60'000, 1)}}}};
  EXPECT_TRUE(IsAllowed(request));
  request["operation"] = "UPDATE";
  EXPECT_TRUE(IsAllowed(request));
  const std::string too_large = "spec: too large: must have at most 256 KiB and 25000 values";
  for (const Json& odd : {Json(std::string(kLargestSpec, 'x')), Json(std::vector<int>(25'000, 1)),
                          Json({{std::string(kLargestSpec, 'x'), 1}})}) {
    request["object"]["spec"]["odd"] = odd;
    EXPECT_EQ(ReasonOf(request), too_large);
    // A version that was stored unchecked is no reason to allow another one.
    request["oldObject"] = request["object"];
    EXPECT_EQ(ReasonOf(request), too_large);
  }
  request["object"]["metadata"]["deletionTimestamp"] = "2026-11-23T04:00:00Z";
  EXPECT_TRUE(IsAllowed(request));
}

TEST(PolicyReview, WhateverTheSchemaAllowsFits) {
  const auto many = [](const Json& value) { return Json(std::vector<Json>(64, value)); };
  const Json rule = {
      {"from", {{"principals", many("ns/a")}, {"namespaces", many("shop")}}},
      {"to", {{"methods", many("GET")}, {"paths", many("/a")}, {"ports", many(8080)}}}};
  Json request = Request("AuthorizationPolicy", kOdd);
  request["object"]["spec"]["rules"] = many(rule);
  EXPECT_EQ(ReasonOf(request), "");
}

TEST(PolicyReview, AReviewIsReadNoFurtherThanItsLimits) {
  Json request = Request("PeerAuthentication", kValid);
  request["object"]["metadata"]["managedFields"] = std::vector<int>(kMostReviewValues, 1);
  request["object"]["spec"] = "not read any more";
  const std::string too_large =
      "the object is too large: a review must have at most 250000 values and 64 levels";
  EXPECT_EQ(ReasonOf(request), too_large);
  request["operation"] = "UPDATE";
  EXPECT_EQ(ReasonOf(request), too_large);
  Json deep = 1;
  for (int i = 0; i < 100; ++i) deep = Json{{"a", std::move(deep)}};
  request["object"] = {{"spec", deep}};
  EXPECT_EQ(ReasonOf(request), too_large);
}

TEST(PolicyReview, Fault81_MalformedReviewsAreBadRequests) {
  const Json all = {{"kind", "AdmissionReview"},
                    {"apiVersion", "admission.k8s.io/v1"},
                    {"request", Request("PeerAuthentication", kValid)}};
  const std::string whole = all.dump();
  for (size_t size = 0; size < whole.size(); size += 7)
    EXPECT_EQ(ReviewPolicy(whole.substr(0, size), "").status, 400);
  Json request = Request("PeerAuthentication", kValid);
  request.erase("object");
  EXPECT_EQ(Answer(request).status, 400);
  request["object"] = Json::array({1});
  EXPECT_FALSE(IsAllowed(request));
  EXPECT_EQ(ReviewPolicy(std::string(9 << 20, ' '), "").status, 413);
  std::string deep(100000, '[');
  EXPECT_EQ(ReviewPolicy(deep, "").status, 400);
}

}  // namespace
}  // namespace tulle::webhook
