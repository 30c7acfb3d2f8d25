#include "control-plane/kubernetes/cluster_policies.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/recorded_mesh_for_test.h"

namespace tulle::kubernetes {
namespace {

using policy::Kind;
using policy::MtlsMode;

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
  const policy::Document* InForce(const std::string& name, const std::string& ns = "shop") const {
    return mesh_.policies.Find({Kind::kPeerAuthentication, ns, name});
  }
  bool IsInForce(const std::string& name, const std::string& ns = "shop") const {
    return InForce(name, ns) != nullptr;
  }
  std::optional<MtlsMode> ModeOf(const std::string& name) const {
    if (!IsInForce(name)) return std::nullopt;
    return std::get<policy::PeerAuthentication>(InForce(name)->spec).mode;
  }
  void Put(const std::string& name, const Json& object, const std::string& ns = "shop") {
    policies_.Put(Kind::kPeerAuthentication, {ns, name}, object);
    policies_.Update();
  }
  void Remove(const std::string& name) {
    policies_.Remove({Kind::kPeerAuthentication, "shop", name});
    policies_.Update();
  }
  // Null: there is none, or nothing is to be written.
  Json ConditionOf(const std::string& name, const std::string& ns = "shop",
                   const std::string& type = "Accepted") const {
    const auto change = policies_.StatusOf({Kind::kPeerAuthentication, ns, name}, kNow);
    if (!change) return {};
    for (const Json& each : change->conditions) {
      if (each["type"] == type) return each;
    }
    return {};
  }

  RecordedMesh mesh_;
  std::map<ServiceName, ServiceFacts> services_{{{"shop", "web"}, {}}, {{"shop", "db"}, {}}};
  ClusterPolicies policies_{mesh_, "tulle-system", [this](const ServiceName& name) {
                              const auto found = services_.find(name);
                              return found == services_.end() ? nullptr : &found->second;
                            }};
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

TEST_F(ClusterPoliciesTest, AMissingTargetIsNamedInTheStatus) {
  const auto resolved = [this] { return ConditionOf("early", "shop", "ResolvedRefs"); };
  Put("early", PeerOf(R"({"kind":"Service","name":"late"})", "STRICT"));
  EXPECT_TRUE(IsInForce("early")) << "it is for the Service as soon as that exists";
  EXPECT_EQ(ConditionOf("early")["status"], "True");
  EXPECT_EQ(resolved()["status"], "False");
  EXPECT_EQ(resolved()["reason"], "TargetNotFound");
  EXPECT_EQ(resolved()["message"],
            "Service shop/late not found: the policy has no effect until it exists");
  services_[{"shop", "late"}];
  policies_.OnService({"shop", "late"});
  EXPECT_EQ(policies_.Update().documents.size(), 1) << "its status differs";
  EXPECT_EQ(resolved()["status"], "True");
  // For the namespace nothing has to exist.
  Put("early", PeerOf(R"({"kind":"Namespace"})", "STRICT", 1, 2));
  EXPECT_TRUE(resolved().is_null());
  policies_.OnService({"shop", "late"});
  EXPECT_TRUE(policies_.Update().documents.empty()) << "it is not its target any more";
}

TEST_F(ClusterPoliciesTest, WhoWritesInOneNamespaceHasNoSayInOthers) {
  Put("mesh", PeerOf(kMesh, "PERMISSIVE"));
  EXPECT_FALSE(IsInForce("mesh"));
  EXPECT_EQ(ConditionOf("mesh")["reason"], "Invalid");
  Put("mesh", PeerOf(kMesh, "STRICT"), "tulle-system");
  EXPECT_TRUE(IsInForce("mesh", "tulle-system"));
}

TEST_F(ClusterPoliciesTest, AnInvalidEditLeavesTheLastValidVersionInForce) {
  Put("web", PeerOf(kWeb, "PERMISSIVE"));
  Put("web", PeerOf(kWeb, "STRICT", 1, 2));
  for (const int generation : {3, 4}) {
    Put("web", PeerOf(R"({"kind":"Service","name":"db"})", "SOMETIMES", 1, generation));
    EXPECT_EQ(ModeOf("web"), MtlsMode::kStrict);
    EXPECT_EQ(policies_.Refused().size(), 1);
    const Json condition = ConditionOf("web");
    EXPECT_EQ(condition["status"], "False");
    EXPECT_EQ(condition["reason"], "Invalid");
    EXPECT_EQ(condition["observedGeneration"], generation);
    const std::string message = condition["message"];
    EXPECT_TRUE(message.starts_with("spec.mode: ")) << message;
    EXPECT_TRUE(message.ends_with("; generation 2 stays in force")) << message;
  }
  // It still defines the mode of web.
  Put("younger", PeerOf(kWeb, "PERMISSIVE", 3));
  EXPECT_EQ(ConditionOf("younger")["reason"], "Conflicted");
  Put("web", PeerOf(kWeb, "PERMISSIVE", 1, 5));
  EXPECT_EQ(ModeOf("web"), MtlsMode::kPermissive);
  EXPECT_EQ(ConditionOf("web")["status"], "True");
  Put("web", PeerOf(kWeb, "SOMETIMES", 1, 6));
  Remove("web");
  EXPECT_FALSE(IsInForce("web"));
  EXPECT_TRUE(IsInForce("younger"));
}

TEST_F(ClusterPoliciesTest, AnotherObjectOfTheNameInheritsNothing) {
  Put("web", PeerOf(kWeb, "PERMISSIVE"));
  Put("web", PeerOf(kWeb, "SOMETIMES", 2));
  EXPECT_EQ(ModeOf("web"), MtlsMode::kStrict);
  Put("web", PeerOf(kMesh, "SOMETIMES", 3));
  EXPECT_FALSE(IsInForce("web"));
}

// As after a restart of the control plane.
TEST_F(ClusterPoliciesTest, WithoutAValidVersionTheStrictestPolicyIsInForce) {
  Put("web", PeerOf(kWeb, "SOMETIMES", 1, 2));
  EXPECT_EQ(ModeOf("web"), MtlsMode::kStrict);
  const std::string message = ConditionOf("web")["message"];
  EXPECT_TRUE(
      message.ends_with("; no valid version is known, so the mode of Service shop/web is "
                        "STRICT until it is valid"))
      << message;
  // The strictest policy follows the object, since it never was valid.
  Put("web", PeerOf(R"({"kind":"Service","name":"db"})", "SOMETIMES", 1, 3));
  EXPECT_EQ(ToText(std::get<policy::PeerAuthentication>(InForce("web")->spec).target),
            "Service shop/db");
  Put("web", PeerOf(R"({"kind":"Nothing"})", "SOMETIMES", 1, 4));
  EXPECT_FALSE(IsInForce("web"));
  EXPECT_TRUE(std::string(ConditionOf("web")["message"]).starts_with("spec.targetRef.kind"));
}

TEST_F(ClusterPoliciesTest, TheStrictestAuthorizationOfAnInvalidPolicy) {
  const policy::DocumentKey key{Kind::kAuthorizationPolicy, "shop", "web"};
  const std::pair<const char*, policy::AuthorizationAction> cases[] = {
      {R"("ALLOW")", policy::AuthorizationAction::kAllow},
      {R"("DENY")", policy::AuthorizationAction::kDeny},
      {R"("AUDIT")", policy::AuthorizationAction::kDeny}};
  int generation = 0;
  for (const auto& [action, strictest] : cases) {
    policies_.Put(key.kind, {key.ns, key.name},
                  ObjectOf(absl::StrCat(R"({"targetRef":)", kWeb, R"(,"action":)", action,
                                        R"(,"rules":[{"from":{"principals":["odd one"]}}]})"),
                           1, ++generation));
    policies_.Update();
    const policy::Document* in_force = mesh_.policies.Find(key);
    ASSERT_NE(in_force, nullptr) << action;
    const auto& authorization = std::get<policy::AuthorizationPolicy>(in_force->spec);
    EXPECT_EQ(authorization.action, strictest) << action;
    EXPECT_EQ(authorization.rules.size(), strictest == policy::AuthorizationAction::kDeny);
  }
  // A kind that forbids nothing has no strictest policy.
  policies_.Put(Kind::kTelemetryPolicy, {"shop", "web"}, ObjectOf(R"({"accessLog":"loud"})"));
  EXPECT_EQ(policies_.Update().refused.size(), 1);
  EXPECT_EQ(mesh_.policies.documents().size(), 1);
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
