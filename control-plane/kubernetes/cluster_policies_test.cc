#include "control-plane/kubernetes/cluster_policies.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/recorded_mesh_for_test.h"

namespace tulle::kubernetes {
namespace {

using policy::Kind;

constexpr char kNow[] = "2026-11-23T04:00:00Z";

// `day`: when it was created.
Json ObjectOf(const std::string& spec, int day = 1, int generation = 1) {
  Json object;
  object["metadata"] = {{"uid", absl::StrCat("uid-", day)},
                        {"generation", generation},
                        {"resourceVersion", absl::StrCat(generation)},
                        {"creationTimestamp", absl::StrCat("2026-11-0", day, "T00:00:00Z")}};
  object["spec"] = Json::parse(spec);
  return object;
}

Json PeerOf(const std::string& target, const std::string& mode, int day = 1, int generation = 1) {
  return ObjectOf(R"({"targetRef":)" + target + R"(,"mode":")" + mode + "\"}", day, generation);
}

class ClusterPoliciesTest : public testing::Test {
 protected:
  bool IsInForce(const std::string& name, const std::string& ns = "shop") const {
    return mesh_.policies.Find({Kind::kPeerAuthentication, ns, name}) != nullptr;
  }
  void Put(const std::string& name, const Json& object, const std::string& ns = "shop") {
    policies_.Put(Kind::kPeerAuthentication, {ns, name}, object);
    policies_.Update();
  }
  void Remove(const std::string& name) {
    policies_.Remove({Kind::kPeerAuthentication, "shop", name});
    policies_.Update();
  }
  Json ConditionOf(const std::string& name, const std::string& ns = "shop") const {
    const auto change = policies_.StatusOf({Kind::kPeerAuthentication, ns, name}, kNow);
    return change ? change->conditions.back() : Json();
  }

  RecordedMesh mesh_;
  ClusterPolicies policies_{mesh_, "tulle-system"};
};

constexpr char kWeb[] = R"({"kind":"Service","name":"web"})";
constexpr char kMesh[] = R"({"kind":"Mesh"})";

TEST_F(ClusterPoliciesTest, TheOldestOfThoseThatDefineTheSameIsInForce) {
  Put("young", PeerOf(kWeb, "STRICT", 3));
  EXPECT_TRUE(IsInForce("young"));
  Put("old", PeerOf(kWeb, "PERMISSIVE", 2));
  EXPECT_TRUE(IsInForce("old"));
  EXPECT_FALSE(IsInForce("young"));
  EXPECT_EQ(ConditionOf("young")["reason"], "Conflicted");
  EXPECT_EQ(ConditionOf("young")["message"],
            "PeerAuthentication shop/old, which is older, already defines the mTLS mode of Service "
            "shop/web");
  EXPECT_EQ(policies_.Refused().size(), 1);
  // It is for something else now.
  Put("old", PeerOf(R"({"kind":"Service","name":"db"})", "STRICT", 2, 2));
  EXPECT_TRUE(IsInForce("old"));
  EXPECT_TRUE(IsInForce("young"));
  EXPECT_EQ(ConditionOf("young")["status"], "True");
  Remove("old");
  EXPECT_FALSE(IsInForce("old"));
  EXPECT_TRUE(policies_.Refused().empty());
}

TEST_F(ClusterPoliciesTest, WhoWritesInOneNamespaceHasNoSayInOthers) {
  Put("mesh", PeerOf(kMesh, "PERMISSIVE"));
  EXPECT_FALSE(IsInForce("mesh"));
  EXPECT_EQ(ConditionOf("mesh")["reason"], "Invalid");
  Put("mesh", PeerOf(kMesh, "STRICT"), "tulle-system");
  EXPECT_TRUE(IsInForce("mesh", "tulle-system"));
}

TEST_F(ClusterPoliciesTest, AnInvalidPolicyIsNotInForceAndSaysWhy) {
  Put("web", PeerOf(kWeb, "STRICT"));
  ASSERT_TRUE(IsInForce("web"));
  Put("web", PeerOf(kWeb, "SOMETIMES", 1, 2));
  EXPECT_FALSE(IsInForce("web"));
  const Json condition = ConditionOf("web");
  EXPECT_EQ(condition["status"], "False");
  EXPECT_EQ(condition["observedGeneration"], 2);
  EXPECT_NE(condition["message"].get<std::string>().find("spec.mode"), std::string::npos);
  Put("web", PeerOf(kWeb, "STRICT", 1, 3));
  EXPECT_TRUE(IsInForce("web"));
}

TEST_F(ClusterPoliciesTest, HostileObjectsAreInvalid) {
  for (const char* spec : {"null", "[]", "7", R"({"targetRef":[[[[]]]]})", R"({"mode":{"a":1}})",
                           R"({"targetRef":{"kind":"Service","name":"\u0000"},"mode":"STRICT"})"}) {
    Put("bad", ObjectOf(spec));
    EXPECT_FALSE(IsInForce("bad")) << spec;
    EXPECT_EQ(ConditionOf("bad")["status"], "False") << spec;
  }
  Put("bad", Json("text"));
  EXPECT_FALSE(IsInForce("bad"));
}

TEST_F(ClusterPoliciesTest, ARefusalIsToldOnce) {
  const auto put = [&](const Json& object) {
    policies_.Put(Kind::kPeerAuthentication, {"shop", "web"}, object);
    return policies_.Update().refused.size();
  };
  EXPECT_EQ(put(PeerOf(kWeb, "SOMETIMES")), 1);
  EXPECT_EQ(put(PeerOf(kWeb, "SOMETIMES", 1, 2)), 0);
  EXPECT_EQ(put(PeerOf(kWeb, "NEVER", 1, 3)), 1);
  EXPECT_EQ(put(PeerOf(kWeb, "STRICT", 1, 4)), 0);
}

TEST_F(ClusterPoliciesTest, AStatusIsWrittenOnce) {
  Json object = PeerOf(kWeb, "STRICT");
  Put("web", object);
  const policy::DocumentKey key{Kind::kPeerAuthentication, "shop", "web"};
  const auto change = policies_.StatusOf(key, kNow);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->version, "1");
  object["status"]["conditions"] = change->conditions;
  object["status"]["conditions"].insert(object["status"]["conditions"].begin(),
                                        Json{{"type", "Reviewed"}, {"status", "True"}});
  object["metadata"]["resourceVersion"] = "2";
  const int puts = mesh_.policy_puts;
  Put("web", object);
  const auto again = policies_.StatusOf(key, "2026-11-23T05:00:00Z");
  EXPECT_FALSE(again) << again->conditions;
  EXPECT_EQ(mesh_.policy_puts, puts);
  // A new version keeps the time of a condition that has not changed, and others' conditions.
  object["metadata"]["generation"] = 2;
  Put("web", object);
  const auto newer = policies_.StatusOf(key, "2026-11-23T05:00:00Z");
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->conditions[0]["type"], "Reviewed");
  EXPECT_EQ(newer->conditions[1]["lastTransitionTime"], kNow);
}

// Whatever the order in which they are listed.
TEST_F(ClusterPoliciesTest, SeveralAuthorizationPoliciesAreAllInForce) {
  const std::string rules =
      R"({"targetRef":{"kind":"Service","name":"web"},"action":"DENY","rules":[{}]})";
  for (const char* name : {"a", "b"})
    policies_.Put(Kind::kAuthorizationPolicy, {"shop", name}, ObjectOf(rules));
  EXPECT_EQ(policies_.Update().documents.size(), 2);
  EXPECT_EQ(mesh_.policies.documents().size(), 2);
  policies_.RemoveAll(Kind::kAuthorizationPolicy);
  EXPECT_TRUE(policies_.Update().has_changed);
  EXPECT_TRUE(mesh_.policies.documents().empty());
}

}  // namespace
}  // namespace tulle::kubernetes
