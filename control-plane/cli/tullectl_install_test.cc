// Installing into a cluster, and checking it: only the API server's answers are faked.
#include <set>

#include "absl/strings/match.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/tullectl_cluster_fixture.h"
#include "k8s/install/manifests.h"

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
    if (at.ends_with("/pods?labelSelector=tulle.dev%2Finject&limit=500"))
      return ApiReply{200, labelled.dump()};
    if (at.ends_with("/deployments?limit=500")) return ApiReply{200, deployments.dump()};
    if (at == kDeployment) return ApiReply{200, deployment.dump()};
    if (absl::StrContains(at, "/pods?")) return ApiReply{200, Json({{"items", {pod}}}).dump()};
    if (absl::StrContains(at, "/namespaces?") || at.ends_with("/namespaces"))
      return ApiReply{200, namespaces.dump()};
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
  Json labelled = {{"items", Json::array()}};  // pods
  Json deployments = {{"items", Json::array()}};
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
  EXPECT_EQ(Run({"check", "--pre", "--cni"}), 1);
  EXPECT_NE(out.find("✓ Pod Security of namespaces with sidecars: no pod needs a capability"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"check", "--cni"}), 1) << "it is about an installation to come";
  kubeconfig_.clear();
  EXPECT_EQ(Run({"check", "--pre"}), 1);
  EXPECT_NE(err.find("--pre checks a cluster"), std::string::npos) << err;
}

// What is installed, as the API server has it.
class InstalledInACluster : public InstallInACluster {
 protected:
  InstalledInACluster() {
    MakeAvailable();
    for (const Json& object : install::Manifests({})) {
      if (TextAt(object, "/kind").ends_with("WebhookConfiguration")) {
        Json& webhooks = objects[TextAt(object, "/metadata/name")];
        webhooks = object;
        for (Json& webhook : webhooks["webhooks"]) webhook["clientConfig"]["caBundle"] = "Q0E=";
      }
    }
    const auto script = cluster_.script;
    cluster_.script = [this, script](const k8s::Request& request) -> std::optional<ApiReply> {
      const auto name = request.target.substr(request.target.rfind('/') + 1);
      if (request.method == "GET" && absl::StrContains(request.target, "webhookconfigurations/"))
        return objects.contains(name) ? ApiReply{200, objects[name].dump()} : Refusal(404, "gone");
      return absl::EndsWith(request.target, "/token") || absl::StartsWith(request.target, kProxy)
                 ? Answer(request)
                 : script(request);
    };
  }
  // The line of the output about this check.
  std::string Line(const std::string& check) {
    Run({"check"});
    const size_t at = out.find(" " + check);
    if (at == std::string::npos) return out + err;
    const size_t begin = out.rfind('\n', at) == std::string::npos ? 0 : out.rfind('\n', at) + 1;
    return out.substr(begin, out.find('\n', at) - begin);
  }

  std::map<std::string, Json> objects;  // webhook configurations, by name
};

TEST_F(InstalledInACluster, AWebhookThatIsMissingOrChangedIsFound) {
  EXPECT_EQ(Line("webhook tulle-inject"), "✓ webhook tulle-inject");
  EXPECT_EQ(Line("webhook tulle-validate"), "✓ webhook tulle-validate");
  Json& webhook = objects["tulle-inject"]["webhooks"][0];
  webhook["rules"][0]["resources"] = {"nothing"};
  EXPECT_NE(Line("webhook tulle-inject").find("differs from what"), std::string::npos) << out;
  webhook["rules"][0]["resources"] = {"pods"};
  webhook["timeoutSeconds"] = 5;
  webhook["defaulted"] = true;
  EXPECT_EQ(Line("webhook tulle-inject"), "✓ webhook tulle-inject");
  webhook["namespaceSelector"]["matchExpressions"] = {{{"key", "a"}, {"operator", "Exists"}}};
  EXPECT_NE(Line("webhook tulle-inject").find("differs from what"), std::string::npos) << out;
  objects.erase("tulle-validate");
  EXPECT_EQ(Line("webhook tulle-validate"),
            "× webhook tulle-validate: ValidatingWebhookConfiguration tulle-validate is missing");
}

TEST_F(InstalledInACluster, LabelsThatHaveNoEffectAreFound) {
  const auto ns = [](const char* name, const char* key, const char* value) {
    return Json{{"metadata", {{"name", name}, {"labels", {{key, value}}}}}};
  };
  namespaces["items"] = {ns("shop", "tulle.dev/inject", "enabled"),
                         ns("off", "tulle.dev/inject", "disabled"),
                         ns("plain", "kubernetes.io/metadata.name", "plain")};
  EXPECT_EQ(Line("labels of namespaces"),
            "✓ labels of namespaces: 1 namespace with tulle.dev/inject=enabled");
  namespaces["items"] = {ns("a", "tulle.dev/inject", "true"),
                         ns("b", "tulle-injection", "enabled")};
  EXPECT_EQ(Line("labels of namespaces"),
            "× labels of namespaces: no effect on the injection: a (tulle.dev/inject=true), b "
            "(tulle-injection=enabled)");
}

TEST_F(InstalledInACluster, LabelsOfPodsThatHaveNoEffectAreFound) {
  const auto labelled_pod = [](const char* ns, const char* name, const Json& labels) {
    return Json{{"metadata", {{"namespace", ns}, {"name", name}, {"labels", labels}}},
                {"status", {{"phase", "Running"}}}};
  };
  namespaces["items"] = {
      {{"metadata", {{"name", "shop"}, {"labels", {{"tulle.dev/inject", "enabled"}}}}}},
      {{"metadata", {{"name", "plain"}}}}};
  labelled["items"] = {
      labelled_pod("shop", "a", {{"tulle.dev/inject", "enabled"}}),
      labelled_pod("shop", "b", {{"tulle.dev/inject", "disabled"}}),
      labelled_pod("plain", "by-hand",
                   {{"tulle.dev/inject", "enabled"}, {"tulle.dev/meshed", "true"}})};
  EXPECT_EQ(Line("labels of pods"), "✓ labels of pods");
  labelled["items"] = {labelled_pod("shop", "a", {{"tulle.dev/inject", "yes"}}),
                       labelled_pod("plain", "b", {{"tulle.dev/inject", "enabled"}}),
                       labelled_pod("plain", "ended", {{"tulle.dev/inject", "enabled"}})};
  labelled["items"][2]["status"]["phase"] = "Succeeded";
  EXPECT_EQ(Line("labels of pods"),
            "× labels of pods: no effect on the injection: shop/a (tulle.dev/inject=yes), plain/b "
            "(tulle.dev/inject=enabled, but not on its namespace)");
}

TEST_F(InstalledInACluster, PodsThatTheWebhookRefusesAreFound) {
  const auto failing = [](const char* message) {
    return Json{{"metadata", {{"namespace", "shop"}, {"name", "web"}}},
                {"status", {{"conditions", {{{"type", "ReplicaFailure"}, {"message", message}}}}}}};
  };
  deployments["items"] = {failing("exceeded quota")};
  EXPECT_EQ(Line("pods that the injection"), "✓ pods that the injection refuses");
  deployments["items"] = {
      failing("admission webhook \"inject.tulle.dev\" denied the request: label")};
  EXPECT_EQ(Line("pods that the injection"),
            "× pods that the injection refuses: deployment shop/web: admission webhook "
            "\"inject.tulle.dev\" denied the request: label");
}

}  // namespace
}  // namespace tulle::cli
