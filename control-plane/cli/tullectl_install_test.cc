// Installing into a cluster, and checking it: only the API server's answers are faked.
#include <set>

#include "absl/strings/match.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/tullectl_cluster_fixture.h"

namespace tulle::cli {
namespace {

constexpr char kDeployment[] = "/apis/apps/v1/namespaces/tulle-system/deployments/tulle-control";

class InstallInACluster : public TullectlInACluster {
 protected:
  InstallInACluster() {
    cluster_.script = [this](const k8s::Request& request) { return Serve(request); };
  }
  std::optional<ApiReply> Serve(const k8s::Request& request) {
    const std::string& at = request.target;
    if (request.method == "PATCH" || request.method == "DELETE") {
      if (absl::StrContains(at, refused)) return Refusal(403, "forbidden");
      changed.push_back(request.method + " " + at);
      return ApiReply{request.method == "PATCH" ? 201 : 200, request.body};
    }
    if (request.method == "POST") {
      const Json asked = Json::parse(request.body)["spec"]["resourceAttributes"];
      const bool may = asked["resource"] != denied;
      return ApiReply{201, Json({{"status", {{"allowed", may}}}}).dump()};
    }
    if (at == kDeployment) return ApiReply{200, deployment.dump()};
    if (absl::StrContains(at, "/pods?")) return ApiReply{200, Json({{"items", {pod}}}).dump()};
    if (absl::StrContains(at, "/namespaces?")) return ApiReply{200, namespaces.dump()};
    if (at == "/version") return ApiReply{200, version.dump()};
    return std::nullopt;
  }
  void MakeAvailable() {
    deployment["status"] = {{"observedGeneration", 1},
                            {"replicas", 1},
                            {"updatedReplicas", 1},
                            {"availableReplicas", 1}};
  }

  Json deployment = {{"metadata", {{"generation", 1}}}, {"spec", {{"replicas", 1}}}};
  Json pod = {
      {"metadata", {{"name", "tulle-control-1"}}},
      {"status",
       {{"containerStatuses",
         {{{"state",
            {{"waiting", {{"reason", "ErrImagePull"}, {"message", "no such image"}}}}}}}}}}};
  Json namespaces = {{"items", Json::array()}};
  Json version = {{"major", "1"}, {"minor", "34"}, {"gitVersion", "v1.34.4"}};
  std::string refused = "nothing";
  std::string denied;
  std::vector<std::string> changed;
};

TEST_F(InstallInACluster, EachObjectIsAppliedUntilTheControlPlaneIsAvailable) {
  int pauses = 0;
  on_pause = [&] {
    if (++pauses == 2) MakeAvailable();
  };
  ASSERT_EQ(Run({"install", "--apply"}), 0) << err;
  EXPECT_EQ(pauses, 2);
  EXPECT_NE(out.find("deployment/tulle-control created\n"), std::string::npos) << out;
  EXPECT_NE(err.find("pod tulle-control-1: ErrImagePull: no such image"), std::string::npos) << err;
  EXPECT_EQ(err.find("waiting"), err.rfind("waiting")) << "the same is said once";
  const std::set<std::string> all(changed.begin(), changed.end());
  EXPECT_EQ(all.size(), changed.size());
  EXPECT_TRUE(
      all.contains(std::string("PATCH ") + kDeployment + "?force=true&fieldManager=tullectl"));
  EXPECT_TRUE(all.contains(
      "PATCH /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tulle-inject"
      "?force=true&fieldManager=tullectl"));
  EXPECT_TRUE(
      all.contains("PATCH /api/v1/namespaces/tulle-system/serviceaccounts/tulle-viewer"
                   "?force=true&fieldManager=tullectl"));
}

TEST_F(InstallInACluster, WhatHindersItIsNamedAtTheEnd) {
  int pauses = 0;
  on_pause = [&] { ++pauses; };
  EXPECT_EQ(Run({"install", "--apply", "--wait", "4"}), 1);
  EXPECT_EQ(pauses, 4);
  EXPECT_NE(err.find("error: tulle-control is not available after 4 s:\n  pod tulle-control-1: "
                     "ErrImagePull"),
            std::string::npos)
      << err;
  pod["status"] = {
      {"conditions", {{{"type", "PodScheduled"}, {"status", "False"}, {"message", "no nodes"}}}}};
  EXPECT_EQ(Run({"install", "--apply", "--wait", "0"}), 1);
  EXPECT_NE(err.find("pod tulle-control-1: not scheduled: no nodes"), std::string::npos) << err;
}

TEST_F(InstallInACluster, AMissingRightIsNamed) {
  refused = "/clusterroles/";
  EXPECT_EQ(Run({"install", "--apply"}), 1);
  EXPECT_NE(err.find("kubectl auth can-i patch clusterroles.rbac.authorization.k8s.io"),
            std::string::npos)
      << err;
}

TEST_F(InstallInACluster, UninstallAsksFirst) {
  namespaces["items"] = {{{"metadata", {{"name", "shop"}}}}};
  EXPECT_EQ(Run({"uninstall", "--apply"}, "no\n"), 1);
  EXPECT_NE(err.find("shop. Remove it and restart their workloads first"), std::string::npos)
      << err;
  EXPECT_NE(err.find("nothing was deleted"), std::string::npos) << err;
  EXPECT_TRUE(changed.empty());
  ASSERT_EQ(Run({"uninstall", "--apply"}, "yes\n"), 0) << err;
  const std::vector<std::string> asked = std::exchange(changed, {});
  ASSERT_FALSE(asked.empty());
  EXPECT_TRUE(absl::StrContains(asked.back(), "DELETE /apis/apiextensions.k8s.io/"))
      << asked.back();
  ASSERT_EQ(Run({"uninstall", "--apply", "--yes"}), 0) << err;
  EXPECT_EQ(changed, asked);
}

TEST_F(InstallInACluster, ChecksBeforeAnInstallation) {
  ASSERT_EQ(Run({"check", "--pre"}), 0) << out << err;
  EXPECT_NE(out.find("✓ version of Kubernetes: v1.34.4"), std::string::npos) << out;
  version["minor"] = "28+";
  denied = "deployments";
  namespaces["items"] = {
      {{"metadata",
        {{"name", "shop"}, {"labels", {{"pod-security.kubernetes.io/enforce", "baseline"}}}}}}};
  EXPECT_EQ(Run({"check", "--pre"}), 1);
  EXPECT_NE(out.find("× version of Kubernetes"), std::string::npos) << out;
  EXPECT_NE(out.find("you may not create deployment/tulle-control"), std::string::npos) << out;
  EXPECT_NE(out.find("shop (baseline)"), std::string::npos) << out;
  kubeconfig_.clear();
  EXPECT_EQ(Run({"check", "--pre"}), 1);
  EXPECT_NE(err.find("--pre checks a cluster"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
