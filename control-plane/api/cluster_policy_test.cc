// Policies that belong to a Kubernetes cluster: shown, and not changed here.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "control-plane/api/api_fixture.h"
#include "control-plane/policy/parse.h"

namespace tulle::api {
namespace {

using Json = nlohmann::json;

constexpr char kRoute[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
    "metadata: {name: mine, namespace: shop}\n"
    "spec: {parentRefs: [{kind: Service, name: web}], rules: [{}]}\n";

class ClusterPolicyTest : public ApiFixture {
 protected:
  ClusterPolicyTest() : ApiFixture("1.2.3") {
    admin_ = "Bearer " + *credentials_.Create({"ann", Role::kAdmin}, "test", kNow);
  }
  ApiResponse Call(const std::string& method, const std::string& path,
                   const std::string& body = "") {
    return api_.Handle({method, path, {}, body, admin_}, kNow);
  }
  void PutOfCluster() {
    policy::Document document = policy::ParseDocuments(kRoute, "f").documents.at(0);
    document.created_at = kNow;
    view_.cluster_policies.Upsert(document);
    view_.cluster_kind = policy::Kind::kHttpRoute;
  }

  std::string admin_;
};

TEST_F(ClusterPolicyTest, TheyAreShownWithTheirOrigin) {
  ASSERT_EQ(Call("POST", "/v1/apply", kRoute).status, 200);
  EXPECT_FALSE(
      Json::parse(Call("GET", "/v1/policies/httproutes/shop/mine").body).contains("status"));
  PutOfCluster();
  const Json list = Json::parse(Call("GET", "/v1/policies/httproutes").body)["items"];
  ASSERT_EQ(list.size(), 1u);  // that of the store is not in force
  EXPECT_EQ(list[0]["status"]["origin"], "Kubernetes");
  EXPECT_TRUE(list[0]["metadata"].contains("creationTimestamp"));
  const Json one = Json::parse(Call("GET", "/v1/policies/httproutes/shop/mine").body);
  EXPECT_EQ(one, list[0]);
}

TEST_F(ClusterPolicyTest, TheyAreChangedByKubectl) {
  PutOfCluster();
  const Json applied = Json::parse(Call("POST", "/v1/apply", kRoute).body);
  EXPECT_EQ(applied["error"],
            "HTTPRoute shop/mine must be applied to the Kubernetes API server, which serves "
            "httproutes");
  EXPECT_EQ(applied["hint"], "use `kubectl apply -f FILE`");
  EXPECT_EQ(Call("POST", "/v1/apply", kStrict).status, 200);  // another kind
  const ApiResponse deleted = Call("DELETE", "/v1/policies/httproutes/shop/mine");
  EXPECT_EQ(deleted.status, 409);
  EXPECT_EQ(Json::parse(deleted.body)["hint"], "use `kubectl -n shop delete httproutes mine`");
  EXPECT_EQ(Call("POST", "/v1/delete",
                 R"({"items":[{"kind":"HTTPRoute","namespace":"shop","name":"mine"}]})")
                .status,
            409);
  EXPECT_EQ(changes_, 1);
}

TEST_F(ClusterPolicyTest, OnesThatWereStoredBeforeCanBeDeleted) {
  ASSERT_EQ(Call("POST", "/v1/apply", kRoute).status, 200);
  PutOfCluster();
  EXPECT_EQ(Call("DELETE", "/v1/policies/httproutes/shop/mine").status, 200);
  EXPECT_EQ(Call("DELETE", "/v1/policies/httproutes/shop/mine").status, 409);
}

TEST_F(ClusterPolicyTest, ARollbackStoresNone) {
  ASSERT_EQ(Call("POST", "/v1/apply", kRoute).status, 200);
  ASSERT_EQ(Call("DELETE", "/v1/policies/httproutes/shop/mine").status, 200);
  ASSERT_EQ(Call("POST", "/v1/apply", kRoute).status, 200);
  PutOfCluster();
  // Away with what was stored before the cluster served the kind: that may be undone. Back: not.
  ASSERT_EQ(Call("POST", "/v1/rollback", "{}").status, 200);
  const ApiResponse back = Call("POST", "/v1/rollback", "{}");
  EXPECT_EQ(back.status, 409);
  EXPECT_EQ(Json::parse(back.body)["hint"], "use `kubectl apply -f FILE`");
}

TEST_F(ClusterPolicyTest, ThoseThatAreNotInForceFailTheCheck) {
  view_.refused_policies["PeerAuthentication shop/web"] = "spec.mode: unsupported value";
  const Json checks = Json::parse(Call("GET", "/v1/check").WholeBody());
  for (const Json& each : checks["items"]) {
    if (each["id"] != "policies-accepted") continue;
    EXPECT_EQ(each["ok"], false);
    EXPECT_EQ(each["message"],
              "NOT ACCEPTED:\nPeerAuthentication shop/web: spec.mode: unsupported value");
    return;
  }
  FAIL() << checks;
}

TEST_F(ClusterPolicyTest, RoutesWhoseBackendsCannotBeUsedFailTheCheckOnce) {
  ASSERT_EQ(Call("POST", "/v1/apply",
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                 "metadata: {name: r, namespace: default}\n"
                 "spec: {parentRefs: [{kind: Service, name: post}],\n"
                 "  rules: [{backendRefs: [{name: none, port: 80}]}]}\n")
                .status,
            200);
  const auto check = [this](const char* id) {
    const Json checks = Json::parse(Call("GET", "/v1/check").WholeBody());
    for (const Json& each : checks["items"])
      if (each["id"] == id) return each;
    return Json();
  };
  EXPECT_EQ(check("policies-effective")["ok"], false);
  EXPECT_EQ(check("routes-resolved")["ok"], true);
  view_.unresolved_routes["HTTPRoute default/r"] = "BackendNotFound: Service none";
  EXPECT_EQ(check("policies-effective")["ok"], true) << check("policies-effective");
  EXPECT_EQ(check("routes-resolved")["message"],
            "NOT RESOLVED, so that requests to these backends get 500:\n"
            "HTTPRoute default/r: BackendNotFound: Service none");
}

TEST_F(ClusterPolicyTest, LeasesAndJoinTokensAreNoneOfAClustersConcern) {
  const auto ids_now = [this] {
    std::set<std::string> ids;
    const Json checks = Json::parse(Call("GET", "/v1/check").WholeBody());
    for (const Json& each : checks["items"]) ids.insert(each["id"].get<std::string>());
    return ids;
  };
  EXPECT_TRUE(ids_now().contains("leases"));
  EXPECT_TRUE(ids_now().contains("join-tokens"));
  view_.is_in_cluster = true;
  EXPECT_FALSE(ids_now().contains("leases"));
  EXPECT_FALSE(ids_now().contains("join-tokens"));
  view_.proxies[0].is_connected = false;
  const std::string report = Call("GET", "/v1/check").WholeBody();
  EXPECT_NE(report.find("kubectl -n NAMESPACE logs POD -c tulle-sidecar"), std::string::npos);
}

TEST_F(ClusterPolicyTest, PodsWithoutASidecarAreFoundWithTheCommandThatMendsIt) {
  const auto finding_now = [this] {
    const Json checks = Json::parse(Call("GET", "/v1/check").WholeBody());
    for (const Json& each : checks["items"])
      if (each["id"] == "pods-meshed") return each;
    return Json();
  };
  EXPECT_EQ(finding_now()["ok"], true);
  view_.without_sidecar = {{"cart", 1}, {"shop", 12}};
  const Json finding = finding_now();
  EXPECT_EQ(finding["ok"], false);
  EXPECT_EQ(finding["message"], "WITHOUT A SIDECAR: 1 in cart, 12 in shop");
  EXPECT_EQ(finding["commands"], Json({"kubectl -n cart rollout restart deployment",
                                       "kubectl -n shop rollout restart deployment"}));
  for (int i = 0; i < 30; ++i) view_.without_sidecar["ns" + std::to_string(i)] = 1;
  EXPECT_EQ(finding_now()["commands"].size(), 20u);
}

}  // namespace
}  // namespace tulle::api
