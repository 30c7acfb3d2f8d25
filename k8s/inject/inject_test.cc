#include "k8s/inject/inject.h"

#include <gtest/gtest.h>

#include <string>

#include "k8s/inject/testing_pods.h"

namespace tulle::inject {
namespace {

const Namespace kShop{"shop", {{"tulle.dev/inject", "enabled"}}};

Json Pod(const char* text = testing::kBare) { return *ParseJson(text); }

Json WithAnnotation(const std::string& name, const Json& value) {
  Json pod = Pod();
  pod["metadata"]["annotations"][name] = value;
  return pod;
}

// The pod as it is after its injection.
Json Injected(const Json& pod, const Settings& settings = {}) {
  const auto made = Inject(pod, kShop, settings);
  EXPECT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->skipped.text, "");
  return pod.patch(made->patch);
}

std::string Error(const Json& pod) {
  const auto made = Inject(pod, kShop, {});
  return made.ok() ? "no error" : std::string(made.status().message());
}

std::string Skipped(const Json& pod, const Namespace& ns = kShop) {
  const auto made = Inject(pod, ns, {});
  EXPECT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->patch.empty());
  return made->skipped.text;
}

TEST(Inject, TheSidecarStartsBeforeAllOthers) {
  const Json pod = Injected(Pod(testing::kWeb));
  const Json& init = pod["spec"]["initContainers"];
  ASSERT_EQ(init.size(), 3u);
  EXPECT_EQ(init[0]["name"], "tulle-init");
  EXPECT_EQ(init[1]["name"], "tulle-sidecar");
  EXPECT_EQ(init[1]["restartPolicy"], "Always");
  EXPECT_EQ(init[2]["name"], "migrate");
  EXPECT_EQ(pod["spec"]["containers"].size(), 1u);
  EXPECT_EQ(pod["spec"]["volumes"].size(), 4u);
  EXPECT_EQ(pod["metadata"]["labels"]["tulle.dev/meshed"], "true");
  EXPECT_EQ(pod["metadata"]["labels"]["app"], "web");
  EXPECT_EQ(pod["metadata"]["annotations"]["tulle.dev/service-account"], "web");
  EXPECT_EQ(init[1]["lifecycle"]["preStop"]["exec"]["command"],
            Json({"/tulle-sidecar", "--leave"}));
  EXPECT_EQ(init[1]["startupProbe"]["httpGet"],
            Json({{"path", "/healthz/ready"}, {"port", 15021}}));
}

TEST(Inject, NothingHasMorePrivilegesThanItNeeds) {
  const Json pod = Injected(Pod());
  const Json unprivileged = {{"allowPrivilegeEscalation", false},
                             {"capabilities", {{"drop", Json::array({"ALL"})}}},
                             {"privileged", false},
                             {"readOnlyRootFilesystem", true},
                             {"runAsGroup", 1337},
                             {"runAsNonRoot", true},
                             {"runAsUser", 1337},
                             {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  EXPECT_EQ(pod["spec"]["initContainers"][1]["securityContext"], unprivileged);
  Json init = unprivileged;
  init["runAsUser"] = init["runAsGroup"] = 0;
  init["runAsNonRoot"] = false;
  init["capabilities"]["add"] = Json::array({"NET_ADMIN"});
  EXPECT_EQ(pod["spec"]["initContainers"][0]["securityContext"], init);
}

TEST(Inject, TheTokenHasAnAudience) {
  const Json pod = Injected(Pod());
  const Json& volumes = pod["spec"]["volumes"];
  ASSERT_EQ(volumes.size(), 3u);
  EXPECT_EQ(volumes[0].dump(),
            R"({"name":"tulle-token","projected":{"sources":[{"serviceAccountToken":{"audience":)"
            R"("tulle","expirationSeconds":43200,"path":"token"}}]}})");
  EXPECT_EQ(volumes[1].dump(),
            R"({"name":"tulle-roots","configMap":{"name":"tulle-ca-root-cert"}})");
  EXPECT_EQ(pod["spec"]["initContainers"][1]["volumeMounts"].size(), 3u);
}

TEST(Inject, Fault83_ASecondTimeChangesNothing) {
  const Json pod = Injected(Pod(testing::kWeb));
  EXPECT_EQ(Skipped(pod), "it has a container named tulle-sidecar");
}

TEST(Inject, ABarePodNeedsNoMetadata) {
  Json pod = Pod();
  pod.erase("metadata");
  const Json done = Injected(pod);
  EXPECT_EQ(done["metadata"]["annotations"]["tulle.dev/service-account"], "default");
  for (const char* member : {"labels", "annotations"}) {
    Json null = Pod();
    null["metadata"][member] = nullptr;
    EXPECT_EQ(Injected(null)["metadata"]["labels"]["tulle.dev/meshed"], "true");
  }
  Json empty = Pod();
  empty["spec"]["initContainers"] = Json::array();
  empty["spec"]["volumes"] = nullptr;
  EXPECT_EQ(Injected(empty)["spec"]["initContainers"].size(), 2u);
}

TEST(Inject, LabelsDecideAndThePodsWins) {
  const Namespace plain{"shop", Json::object()};
  const Namespace off{"shop", {{"tulle.dev/inject", "disabled"}}};
  Json pod = Pod();
  EXPECT_NE(Skipped(pod, plain), "");
  EXPECT_NE(Skipped(pod, off), "");
  pod["metadata"]["labels"]["tulle.dev/inject"] = "enabled";
  EXPECT_FALSE(Inject(pod, off, {})->patch.empty());
  pod["metadata"]["labels"]["tulle.dev/inject"] = "disabled";
  EXPECT_EQ(Skipped(pod), "its label tulle.dev/inject is disabled");
  pod["metadata"]["labels"]["tulle.dev/inject"] = "true";
  EXPECT_EQ(Error(pod),
            "label tulle.dev/inject of the pod: invalid value \"true\": must be enabled or "
            "disabled");
}

TEST(Inject, WhatCannotWorkIsLeftAlone) {
  Json pod = Pod();
  pod["metadata"]["labels"]["tulle.dev/inject"] = "enabled";
  for (const char* name : {"kube-system", "kube-public", "kube-node-lease", "tulle-system"})
    EXPECT_NE(Skipped(pod, {name, kShop.labels}), "") << name;
  pod["spec"]["hostNetwork"] = true;
  EXPECT_EQ(Skipped(pod), "it uses the node's network (hostNetwork)");
}

TEST(Inject, AnnotationsBecomeArguments) {
  Json pod = Pod();
  pod["metadata"]["annotations"] = {{"tulle.dev/skip-inbound-ports", "22, 9100"},
                                    {"tulle.dev/skip-outbound-ports", "5432"},
                                    {"tulle.dev/skip-outbound-cidrs", "10.0.0.0/8,2001:db8::/32"},
                                    {"tulle.dev/opaque-ports", "6379"},
                                    {"tulle.dev/log-level", "debug"},
                                    {"tulle.dev/cause-header", "enabled"},
                                    {"tulle.dev/proxy-cpu", "100m"},
                                    {"tulle.dev/proxy-memory-limit", "1.5Gi"},
                                    {"other.dev/anything", "x"}};
  const Json done = Injected(pod);
  const Json& init = done["spec"]["initContainers"];
  EXPECT_EQ(init[0]["args"],
            Json({"--exclude-inbound-ports=22,9100", "--exclude-outbound-ports=5432",
                  "--exclude-outbound-ranges=10.0.0.0/8,2001:db8::/32"}));
  EXPECT_EQ(init[1]["args"].back(), "--cause-header");
  pod["metadata"]["labels"] = {{"app.kubernetes.io/name", "cart"},
                               {"version", "v2"},
                               {"app", "not a label; --admin=0.0.0.0:1"},
                               {"other", "x"}};
  const Json labelled = Injected(pod);
  const Json& arguments = labelled["spec"]["initContainers"][1]["args"];
  EXPECT_EQ(Json(std::vector<Json>(arguments.end() - 4, arguments.end())),
            Json({"--log-level=debug", "--cause-header", "--label=app.kubernetes.io/name=cart",
                  "--label=version=v2"}));
  EXPECT_EQ(init[1]["resources"], Json({{"requests", {{"cpu", "100m"}, {"memory", "16Mi"}}},
                                        {"limits", {{"memory", "1.5Gi"}}}}));
}

TEST(Inject, Fault83_HostileAnnotationsAreRefusedByName) {
  struct Case {
    const char* name;
    Json value;
    const char* expected;
  };
  const Case kCases[] = {
      {"skip-inbound-ports", "80;rm -rf /", "must be ports from 1 to 65535, separated by commas"},
      {"skip-inbound-ports", "0", "must be ports"},
      {"skip-inbound-ports", "65536", "must be ports"},
      {"skip-inbound-ports", "+80", "must be ports"},
      {"skip-inbound-ports", "", "must be ports"},
      {"skip-inbound-ports", "80,,81", "must be ports"},
      {"skip-inbound-ports", "80 --remove", "must be ports"},
      {"skip-inbound-ports", 80, "must be a string"},
      {"skip-outbound-cidrs", "10.0.0.0/33", "must be addresses or CIDRs, separated by commas"},
      {"skip-outbound-cidrs", "example.com", "must be addresses or CIDRs"},
      {"opaque-ports", "redis", "must be ports"},
      {"log-level", "loud", "must be trace, debug, info, warning, error or off"},
      {"log-level", "info\n--quit", "must be trace"},
      {"cause-header", "yes", "must be enabled or disabled"},
      {"proxy-cpu", "-1", "must be a quantity, like 100m or 64Mi"},
      {"proxy-memory", "1e99", "must be a quantity"},
      {"proxy-memory", "1.", "must be a quantity"},
      {"proxy-memory", "99999999999999999Gi", "must be a quantity"},
  };
  for (const Case& each : kCases) {
    const std::string error =
        Error(WithAnnotation(std::string("tulle.dev/") + each.name, each.value));
    EXPECT_TRUE(
        error.starts_with(std::string("annotation tulle.dev/") + each.name + ": invalid value "))
        << error;
    EXPECT_NE(error.find(each.expected), std::string::npos) << error;
  }
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_NE(Error(WithAnnotation("tulle.dev/opaque-ports", many)).find("at most 64 elements"),
            std::string::npos);
  const std::string huge(1 << 20, '1');
  const std::string error = Error(WithAnnotation("tulle.dev/opaque-ports", huge));
  EXPECT_NE(error.find("at most 1024 bytes"), std::string::npos);
  EXPECT_LT(error.size(), 300u);
}

TEST(Inject, AMistypedAnnotationIsWarnedOf) {
  const auto made = Inject(WithAnnotation("tulle.dev/skip-inbound-port", "22"), kShop, {});
  ASSERT_TRUE(made.ok());
  ASSERT_EQ(made->warnings.size(), 1u);
  EXPECT_NE(made->warnings[0].find("did you mean tulle.dev/skip-inbound-ports?"), std::string::npos)
      << made->warnings[0];
}

TEST(Inject, TheSidecarsUserPortsAndVolumesAreItsOwn) {
  Json pod = Pod();
  pod["spec"]["containers"][0]["securityContext"]["runAsUser"] = 1337;
  EXPECT_EQ(Error(pod),
            "spec.containers[0].securityContext.runAsUser: 1337 is the sidecar's: use another user "
            "ID");
  pod = Pod();
  pod["spec"]["securityContext"]["runAsUser"] = 1337;
  EXPECT_NE(Error(pod).find("1337"), std::string::npos);
  pod = Pod();
  pod["spec"]["volumes"] = {{{"name", "tulle-token"}, {"emptyDir", Json::object()}}};
  EXPECT_EQ(Error(pod), "spec.volumes: the name tulle-token is the sidecar's");
  pod = Pod();
  pod["spec"]["containers"][0]["ports"] = {{{"containerPort", 15021}}};
  EXPECT_EQ(Inject(pod, kShop, {})->warnings.at(0),
            "container c: the sidecar listens on port 15021: the application cannot");
}

TEST(Inject, MalformedPodsAreRefusedAndKillNothing) {
  const Json kWrong[] = {1, "x", nullptr, Json::array({1}), true, Json::object(), -1.5};
  for (const char* path : {"",
                           "/metadata",
                           "/metadata/labels",
                           "/metadata/annotations",
                           "/spec",
                           "/spec/containers",
                           "/spec/containers/0",
                           "/spec/containers/0/name",
                           "/spec/containers/0/ports",
                           "/spec/containers/0/ports/0",
                           "/spec/containers/0/ports/0/containerPort",
                           "/spec/containers/0/livenessProbe",
                           "/spec/containers/0/livenessProbe/httpGet",
                           "/spec/containers/0/livenessProbe/httpGet/port",
                           "/spec/containers/0/lifecycle",
                           "/spec/containers/0/lifecycle/preStop",
                           "/spec/containers/0/securityContext",
                           "/spec/initContainers",
                           "/spec/initContainers/0",
                           "/spec/volumes",
                           "/spec/volumes/0",
                           "/spec/securityContext",
                           "/spec/hostNetwork",
                           "/spec/os",
                           "/spec/serviceAccountName"}) {
    for (const Json& wrong : kWrong) {
      Json pod = Pod(testing::kWeb);
      pod["metadata"]["annotations"] = Json::object();
      pod[Json::json_pointer(path)] = wrong;
      const auto made = Inject(pod, kShop, {});
      if (made.ok()) static_cast<void>(pod.patch(made->patch));
    }
  }
  Json pod = Pod();
  pod["spec"]["containers"][0]["name"] = "../../livez";
  EXPECT_EQ(Error(pod),
            "spec.containers[0].name: must be a DNS label: at most 63 of a-z, 0-9 and -");
  pod = Pod();
  for (int i = 0; i < 300; ++i)
    pod["spec"]["containers"].push_back({{"name", "c" + std::to_string(i)}});
  EXPECT_EQ(Error(pod), "spec.containers: must have at most 256 containers");
  EXPECT_FALSE(ParseJson(std::string(100'000, '[')).has_value());
  EXPECT_FALSE(ParseJson(std::string(100, '[') + std::string(100, ']')).has_value());
}

// What costs more than its bytes: keys are compared in turn, and values have a size of their own.
TEST(Inject, JsonOfStrangersIsBounded) {
  std::string members, values;
  for (int i = 0; i < 1000; ++i) members += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(ParseJson("{" + members + "\"k0\":0}") == std::nullopt) << "1,001 members";
  members.pop_back();
  EXPECT_TRUE(ParseJson("{" + members + "}").has_value());
  EXPECT_TRUE(ParseJson("[{" + members + "},{" + members + "}]").has_value());
  std::string wide = "[";
  for (int i = 0; i < 5; ++i) wide += "{" + members + "},";
  EXPECT_FALSE(ParseJson(wide + "1]").has_value()) << "five wide objects";
  for (int i = 0; i < 49'999; ++i) values += "{},";
  EXPECT_FALSE(ParseJson("[" + values + "{}]").has_value()) << "50,001 values";
  values.pop_back();
  EXPECT_TRUE(ParseJson("[" + values + "]").has_value());
}

TEST(Inject, AtMostTenUnknownAnnotationsAreNamed) {
  Json pod = Pod();
  for (int i = 0; i < 500; ++i)
    pod["metadata"]["annotations"]["tulle.dev/x" + std::to_string(i)] = "";
  EXPECT_EQ(Inject(pod, kShop, {})->warnings.size(), 10u);
}

TEST(Inject, WhatTheRulesCannotHoldIsRefused) {
  Json pod = Pod();
  pod["spec"]["securityContext"]["runAsGroup"] = 1337;
  EXPECT_EQ(Error(pod),
            "spec.securityContext.runAsGroup: 1337 is the sidecar's: use another group ID");
  pod = Pod();
  pod["spec"]["containers"][0]["securityContext"]["runAsGroup"] = 1337;
  EXPECT_EQ(Error(pod),
            "spec.containers[0].securityContext.runAsGroup: 1337 is the sidecar's: use another "
            "group ID");
  pod = Pod();
  pod["spec"]["hostUsers"] = false;
  EXPECT_TRUE(Inject(pod, kShop, {}).ok());
  Settings settings;
  settings.cni = true;
  EXPECT_EQ(Inject(pod, kShop, settings).status().message(),
            "spec.hostUsers: false is not supported with the CNI plugin, whose rules name users of "
            "the node");
}

TEST(Inject, ProbesGoToTheSidecarAndItKnowsTheOriginals) {
  const Json pod = Injected(Pod(testing::kWeb));
  const Json& web = pod["spec"]["containers"][0];
  EXPECT_EQ(web["livenessProbe"].dump(),
            R"({"timeoutSeconds":2,"periodSeconds":10,"successThreshold":1,"failureThreshold":3,)"
            R"("httpGet":{"path":"/app-health/web/livez","port":15021,"scheme":"HTTP"}})");
  EXPECT_EQ(web["readinessProbe"]["httpGet"]["path"], "/app-health/web/readyz");
  EXPECT_FALSE(web["readinessProbe"].contains("grpc"));
  EXPECT_EQ(web["startupProbe"]["httpGet"]["path"], "/app-health/web/startupz");
  EXPECT_EQ(web["lifecycle"], Pod(testing::kWeb)["spec"]["containers"][0]["lifecycle"]);
  EXPECT_EQ(Inject(Pod(testing::kWeb), kShop, {})->warnings.at(0),
            "container web: its preStop hook by httpGet is refused under STRICT; use exec");
  const Json& variable = pod["spec"]["initContainers"][1]["env"][2];
  EXPECT_EQ(variable["name"], "TULLE_APP_PROBES");
  EXPECT_EQ(
      variable["value"],
      R"({"/app-health/web/livez":{"httpGet":{"path":"/healthz","port":8080,"scheme":"HTTP",)"
      R"("httpHeaders":[{"name":"x-probe","value":"1"}]},"timeoutSeconds":2},)"
      R"("/app-health/web/readyz":{"grpc":{"port":9090,"service":"shop.Web"},"timeoutSeconds":1},)"
      R"("/app-health/web/startupz":{"tcpSocket":{"port":8080}}})");
}

TEST(Inject, ProbesThatCannotBeRewrittenStay) {
  Json pod = Pod(testing::kWeb);
  Json& web = pod["spec"]["containers"][0];
  web["livenessProbe"] = {{"exec", {{"command", {"/alive", "-v"}}}}};
  web["readinessProbe"] = {{"httpGet", {{"host", "10.0.0.1"}, {"port", 80}}}};
  web["startupProbe"] = {{"httpGet", {{"port", "nothing"}}}};
  web.erase("lifecycle");
  const Json done = Injected(pod);
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
    EXPECT_EQ(done["spec"]["containers"][0][probe], web[probe]);
  EXPECT_EQ(done["spec"]["initContainers"][1]["env"].size(), 2u);
  EXPECT_EQ(Inject(pod, kShop, {})->warnings.size(), 1u);
}

TEST(Inject, WithACniPluginNoContainerIsPrivileged) {
  Settings settings;
  settings.cni = true;
  for (const bool has_annotations : {true, false}) {
    Json pod = Pod();
    pod["metadata"]["annotations"] = {{"tulle.dev/skip-inbound-ports", "22"},
                                      {"tulle.dev/redirection", "stale"}};
    if (!has_annotations) pod["metadata"].erase("annotations");
    pod = Injected(pod, settings);
    EXPECT_EQ(pod["metadata"]["annotations"]["tulle.dev/redirection"], "cni");
    EXPECT_EQ(pod["metadata"]["annotations"].size(), has_annotations ? 3u : 2u);
    ASSERT_EQ(pod["spec"]["initContainers"].size(), 2u);
    Json arguments = Json::array({"--verify"});
    if (has_annotations) arguments.push_back("--exclude-inbound-ports=22");
    EXPECT_EQ(pod["spec"]["initContainers"][0]["args"], arguments);
    const Json& context = pod["spec"]["initContainers"][0]["securityContext"];
    EXPECT_EQ(context["runAsUser"], 65534);
    EXPECT_EQ(context["runAsNonRoot"], true);
    EXPECT_EQ(context["capabilities"], (Json{{"drop", Json::array({"ALL"})}}));
  }
}

}  // namespace
}  // namespace tulle::inject
