#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "k8s/install/chart.h"
#include "k8s/install/manifests.h"

namespace tulle::install {
namespace {

const Json& Find(const std::vector<Json>& objects, const std::string& kind) {
  static const Json kNone;
  for (const Json& object : objects)
    if (object.at("kind") == kind) return object;
  ADD_FAILURE() << "no " << kind;
  return kNone;
}

TEST(Install, SettingsAreInTheirPlaces) {
  Settings settings;
  settings.control_image = "registry.example/control:1";
  settings.sidecar_image = "registry.example/sidecar:1";
  settings.replicas = "3";
  const std::vector<Json> objects = Manifests(settings);
  const Json& spec = Find(objects, "Deployment").at("spec");
  const Json& container = spec.at("template").at("spec").at("containers").at(0);
  EXPECT_EQ(spec.at("replicas"), 3);
  EXPECT_EQ(container.at("image"), "registry.example/control:1");
  std::set<std::string> arguments;
  for (const Json& argument : container.at("args")) arguments.insert(argument);
  EXPECT_TRUE(arguments.contains("--sidecar-image=registry.example/sidecar:1"));
}

// An installation is only as safe as what a stolen token of the control plane can do.
TEST(Install, TheControlPlaneMayReadButNotWriteWorkloads) {
  for (const Json& object : Manifests({})) {
    for (const Json& rule : object.value("rules", Json::array())) {
      for (const Json& resource : rule.at("resources")) {
        EXPECT_NE(resource, "*") << rule;
        const bool is_read_only = resource == "pods" || resource == "nodes" ||
                                  resource == "services" || resource == "namespaces" ||
                                  resource == "endpointslices";
        if (!is_read_only) continue;
        EXPECT_EQ(rule.at("verbs"), Json::array({"get", "list", "watch"})) << rule;
      }
      if (rule.at("resources") == Json::array({"secrets"}) &&
          rule.at("verbs") != Json::array({"create"})) {
        EXPECT_TRUE(rule.contains("resourceNames")) << rule;
      }
    }
  }
}

TEST(Install, OnlyTheWebhookOfPodsLocksWhatItGuards) {
  const auto objects = Manifests({});
  const Json& pods = Find(objects, "MutatingWebhookConfiguration").at("webhooks").at(0);
  const Json& policies = Find(objects, "ValidatingWebhookConfiguration").at("webhooks").at(0);
  EXPECT_EQ(pods.at("failurePolicy"), "Fail");
  EXPECT_EQ(policies.at("failurePolicy"), "Ignore");
  // Neither deletions nor writes of status wait for the control plane.
  const Json& rule = policies.at("rules").at(0);
  EXPECT_EQ(rule.at("operations"), Json::array({"CREATE", "UPDATE"}));
  for (const Json& resource : rule.at("resources"))
    EXPECT_EQ(resource.get<std::string>().find('/'), std::string::npos) << resource;
  EXPECT_EQ(rule.at("resources").size(), Definitions().size());
  EXPECT_EQ(rule.at("apiGroups"), Json::array({"tulle.dev"}));
}

// Without this rule for a port, a cluster that enforces network policies would cut it off.
TEST(Install, EachPortOfTheControlPlaneIsInTheNetworkPolicy) {
  Settings settings;
  settings.monitoring_namespace = "observe";
  const auto objects = Manifests(settings);
  const Json& ingress = Find(objects, "NetworkPolicy").at("spec").at("ingress");
  std::map<int, Json> allowed;
  for (const Json& rule : ingress)
    for (const Json& port : rule.at("ports"))
      allowed[port.at("port").get<int>()] = rule.value("from", Json());
  const Json& pod = Find(objects, "Deployment").at("spec").at("template");
  for (const Json& port : pod.at("spec").at("containers").at(0).at("ports"))
    EXPECT_TRUE(allowed.contains(port.at("containerPort").get<int>())) << port;
  EXPECT_TRUE(allowed.at(15017).is_null()) << "the API server has no address of a pod";
  EXPECT_NE(allowed.at(15014).dump().find("observe"), std::string::npos);
  EXPECT_EQ(Find(objects, "NetworkPolicy").at("spec").at("podSelector").at("matchLabels"),
            pod.at("metadata").at("labels"));
}

// A Role for people reaches the REST API and nothing else, and the viewer's no changes.
TEST(Install, ViewersGetATokenOfTheViewerOnly) {
  int seen = 0;
  for (const Json& object : Manifests({})) {
    if (object.at("kind") != "Role" || object.at("metadata").at("name") != kViewer) continue;
    for (const Json& rule : object.at("rules")) {
      const bool is_token = rule.at("resources") == Json::array({"serviceaccounts/token"});
      if (rule.at("resources") == Json::array({"services/proxy"}) || is_token) {
        EXPECT_EQ(rule.at("resourceNames"), Json::array({is_token ? kViewer : kApiProxy}));
        ++seen;
      }
      for (const Json& verb : rule.at("verbs"))
        EXPECT_TRUE(verb == "get" || verb == "list" || verb == "watch" || is_token) << rule;
    }
  }
  EXPECT_EQ(seen, 2);
}

TEST(Install, TheChartHasTheSameObjects) {
  const auto dump = [](const Json& json) { return json.dump() + "\n"; };
  const auto files = Chart("1.2.3", {}, dump);
  const Json values = Json::parse(files.at("values.yaml"));
  std::string filled = files.at("templates/tulle.yaml") + files.at("templates/tulle-cni.yaml");
  for (const auto& [section, fields] : values.items()) {
    for (const auto& [name, value] : fields.items()) {
      const std::string expression = "{{ .Values." + section + "." + name + " }}";
      size_t count = 0;
      for (size_t at = 0; (at = filled.find(expression)) != std::string::npos; ++count)
        filled.replace(at, expression.size(),
                       value.is_string() ? value.get<std::string>() : value.dump());
      EXPECT_GT(count, 0) << expression;
    }
  }
  std::string expected;
  for (const Json& object : Manifests({}))
    if (object.at("kind") != "Namespace") expected += "---\n" + dump(object);
  expected += "{{- if .Values.cni.enabled }}\n";
  for (const Json& object : CniPlugin({})) expected += "---\n" + dump(object);
  EXPECT_EQ(filled, expected + "{{- end }}\n");
  EXPECT_EQ(Json::parse(files.at("Chart.yaml")).at("version"), "1.2.3");
}

// It may write two folders of the node, so it gets nothing else.
TEST(Install, TheCniPluginRunsOnAllNodesWithoutRights) {
  Settings settings;
  settings.cni_bin_dir = "/usr/libexec/cni";
  for (const auto& objects : {CniPlugin(settings), CniRemoval(settings)}) {
    const Json& pod = Find(objects, "DaemonSet").at("spec").at("template").at("spec");
    EXPECT_EQ(pod.at("automountServiceAccountToken"), false);
    EXPECT_EQ(pod.at("tolerations"), Json::parse(R"([{"operator": "Exists"}])"));
    EXPECT_EQ(pod.at("priorityClassName"), "system-node-critical");
    EXPECT_EQ(pod.at("volumes").at(1).at("hostPath").at("path"), "/usr/libexec/cni");
    const Json& context = pod.at("containers").at(0).at("securityContext");
    EXPECT_EQ(context.at("capabilities"),
              Json::parse(R"({"add": ["DAC_OVERRIDE"], "drop": ["ALL"]})"));
    EXPECT_FALSE(context.contains("privileged"));
  }
}

}  // namespace
}  // namespace tulle::install
