#include "control-plane/cli/manifest.h"

#include <gtest/gtest.h>

#include <string>

#include "control-plane/cli/yaml_tree.h"

namespace tulle::cli {
namespace {

InjectedManifest Injected(const std::string& text) {
  const auto made = InjectManifest("shop.yaml", text, "", {});
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *made : InjectedManifest();
}

std::string Error(const std::string& text) {
  const auto made = InjectManifest("shop.yaml", text, "", {});
  return made.ok() ? "no error" : std::string(made.status().message());
}

constexpr char kPodSpec[] = R"(      containers:
      - name: web
        image: "shop/web:1"  # a comment
        args: ["--text", "yes", '8080', plain]
        command:
        - sh
        - -c
        - |
          set -e
          exec web
        env:
        - {name: COUNT, value: "1"}
        readinessProbe:
          httpGet: {port: 8080}
)";

const std::string kDeployment = std::string(R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: web}
    spec:
)") + kPodSpec;

TEST(Manifest, EverythingElsePassesByteByByte) {
  const std::string others =
      "# first\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  n: 'x'   # "
      "kept\n---\n"
      "---\n# nothing\n---\nkind: Service\nspec: &s {a: *t}\n";
  EXPECT_NE(Error(others), "no error");  // an unknown anchor
  const std::string fine = others.substr(0, others.find("kind: Service"));
  const InjectedManifest made = Injected(fine);
  EXPECT_EQ(made.text, fine);
  EXPECT_TRUE(made.notes.empty());
  EXPECT_EQ(Injected("").text, "");
  EXPECT_EQ(Injected("just text").text, "just text");
  EXPECT_EQ(Injected("- kind: Pod\n").text, "- kind: Pod\n");
}

TEST(Manifest, TemplatesOfPodsAreInjected) {
  const std::string service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
  const InjectedManifest made = Injected(service + "---\n" + kDeployment + "---\n" + service);
  ASSERT_EQ(made.notes, std::vector<std::string>{"deployment/web injected"});
  EXPECT_TRUE(made.text.starts_with(service + "---\napiVersion: apps/v1\nkind: Deployment\n"));
  EXPECT_TRUE(made.text.ends_with("---\n" + service));
  const YAML::Node done = YAML::LoadAll(made.text)[1];
  const YAML::Node pod = done["spec"]["template"];
  EXPECT_EQ(done["metadata"]["labels"].IsDefined(), false);
  EXPECT_EQ(pod["metadata"]["labels"]["tulle.dev/meshed"].Scalar(), "true");
  EXPECT_EQ(pod["spec"]["initContainers"][1]["name"].Scalar(), "tulle-sidecar");
  EXPECT_EQ(pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"].Scalar(),
            "/app-health/web/readyz");
}

// The types that kubectl reads are those of the original.
TEST(Manifest, TypesOfUntouchedScalarsStay) {
  const YAML::Node before = YAML::Load(kDeployment);
  const InjectedManifest made = Injected(kDeployment);
  const YAML::Node after = YAML::Load(made.text);
  const auto container = [](const YAML::Node& deployment) {
    YamlJson json = *JsonOf(deployment["spec"]["template"]["spec"]["containers"][0]);
    json.erase("readinessProbe");
    return json;
  };
  EXPECT_EQ(container(after), container(before));
  EXPECT_TRUE(container(after)["args"][1].is_string());
  EXPECT_TRUE(container(after)["args"][2].is_string());
  EXPECT_EQ(container(after)["command"][2], "set -e\nexec web\n");
  EXPECT_NE(made.text.find("        - |\n          set -e\n"), std::string::npos) << made.text;
  EXPECT_TRUE((*JsonOf(after))["spec"]["replicas"].is_number());
  // What was added too: the label's value is text.
  EXPECT_NE(made.text.find("tulle.dev/meshed: \"true\"\n"), std::string::npos) << made.text;
}

TEST(Manifest, EveryKindWithPods) {
  for (const char* kind :
       {"StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"}) {
    std::string text = kDeployment;
    text.replace(text.find("Deployment"), 10, kind);
    EXPECT_NE(Injected(text).text.find("tulle-sidecar"), std::string::npos) << kind;
  }
  EXPECT_NE(Injected("kind: Pod\nspec:\n  containers: [{name: a}]\n").text.find("tulle-sidecar"),
            std::string::npos);
  EXPECT_NE(Injected("kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: "
                     "[{name: a}]}}}}}\n")
                .text.find("tulle-sidecar"),
            std::string::npos);
  const InjectedManifest list = Injected(
      R"({"kind": "List", "items": [{"kind": "Service"}, {"kind": "Pod", "metadata": {"name": "a"},
          "spec": {"containers": [{"name": "a"}]}}, 7, {"kind": "Pod", "metadata": {"name": "b"},
          "spec": {"hostNetwork": yes, "containers": [{"name": "a"}]}}]})");
  EXPECT_EQ(list.notes,
            (std::vector<std::string>{"pod/a injected",
                                      "pod/b skipped: it uses the node's network (hostNetwork)"}));
  EXPECT_EQ(YAML::Load(list.text)["items"].size(), 4u);
  EXPECT_EQ(Error("kind: Deployment\nspec: {template: {}}\n"),
            "shop.yaml: deployment/: spec: must be an object");
  EXPECT_EQ(Injected("kind: Deployment\nspec: {}\n").text, "kind: Deployment\nspec: {}\n");
}

TEST(Manifest, ASecondTimeChangesNothing) {
  const InjectedManifest once = Injected(kDeployment);
  const InjectedManifest twice = Injected(once.text);
  EXPECT_EQ(twice.text, once.text);
  EXPECT_EQ(twice.notes, std::vector<std::string>{
                             "deployment/web skipped: it has a container named tulle-sidecar"});
}

TEST(Manifest, ErrorsNameTheFileAndTheObject) {
  std::string text = kDeployment;
  text.replace(text.find("      labels:"), 0,
               "      annotations: {tulle.dev/skip-inbound-ports: http}\n");
  EXPECT_TRUE(
      Error(text).starts_with("shop.yaml: deployment/web: annotation "
                              "tulle.dev/skip-inbound-ports: invalid value \"http\""))
      << Error(text);
  EXPECT_TRUE(Error("a: 1\n---\nb: [\n").starts_with("shop.yaml:")) << Error("a: 1\n---\nb: [\n");
}

TEST(Manifest, AliasesDoNotExpandWithoutLimit) {
  std::string text = "kind: Pod\nx0: &x0 [aaaaaaaaaaaaaaaa, aaaaaaaaaaaaaaaa]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*x" + std::to_string(i - 1);
    text += "x" + std::to_string(i) + ": &x" + std::to_string(i) + " [" + before + ", " + before +
            "]\n";
  }
  text += "spec: {containers: [{name: a}]}\n";
  EXPECT_NE(Error(text).find("too large"), std::string::npos) << Error(text);
}

}  // namespace
}  // namespace tulle::cli
