#include "k8s/inject/containers.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tulle::inject {
namespace {

constexpr char kTokenVolume[] = "tulle-token";
constexpr char kRootsVolume[] = "tulle-roots";
constexpr char kStateVolume[] = "tulle-state";
constexpr char kTokenFolder[] = "/var/run/secrets/tulle/token";
constexpr char kRootsFolder[] = "/var/run/secrets/tulle/roots";
constexpr char kStateFolder[] = "/var/lib/tulle";
constexpr char kStateSize[] = "16Mi";
constexpr int kTokenSeconds = 43200;

// What the Pod Security level "restricted" asks for.
Json Unprivileged(int uid) {
  return {{"allowPrivilegeEscalation", false},
          {"capabilities", {{"drop", {"ALL"}}}},
          {"privileged", false},
          {"readOnlyRootFilesystem", true},
          {"runAsGroup", uid},
          {"runAsNonRoot", uid != 0},
          {"runAsUser", uid},
          {"seccompProfile", {{"type", "RuntimeDefault"}}}};
}

Json Resources(const Wishes& wishes) {
  Json resources = {{"requests", {{"cpu", wishes.cpu}, {"memory", wishes.memory}}}};
  if (!wishes.cpu_limit.empty()) resources["limits"]["cpu"] = wishes.cpu_limit;
  if (!wishes.memory_limit.empty()) resources["limits"]["memory"] = wishes.memory_limit;
  return resources;
}

Json Base(std::string_view name, const std::string& image, const Settings& settings) {
  Json container = {{"name", name}, {"image", image}};
  if (!settings.image_pull_policy.empty())
    container["imagePullPolicy"] = settings.image_pull_policy;
  return container;
}

Json HealthProbe(int period, int failures) {
  return {{"httpGet", {{"path", "/healthz/ready"}, {"port", kHealthPort}}},
          {"periodSeconds", period},
          {"timeoutSeconds", 3},
          {"failureThreshold", failures}};
}

Json Mount(const char* volume, const char* path, bool read_only) {
  Json mount = {{"name", volume}, {"mountPath", path}};
  if (read_only) mount["readOnly"] = true;
  return mount;
}

Json FromPod(const char* variable, const char* field) {
  return {{"name", variable}, {"valueFrom", {{"fieldRef", {{"fieldPath", field}}}}}};
}

}  // namespace

Json InitContainer(const Settings& settings, const Wishes& wishes) {
  Json container = Base(kInitName, settings.init_image, settings);
  std::vector<std::string> arguments = RedirectionArguments(wishes);
  if (settings.cni) arguments.insert(arguments.begin(), "--verify");
  if (!arguments.empty()) container["args"] = arguments;
  container["resources"] = Resources(wishes);
  container["securityContext"] = Unprivileged(settings.cni ? kVerifierUid : 0);
  if (!settings.cni) container["securityContext"]["capabilities"]["add"] = {"NET_ADMIN"};
  container["terminationMessagePolicy"] = "FallbackToLogsOnError";
  return container;
}

Json SidecarContainer(const Settings& settings, const Wishes& wishes, const Json& probes) {
  Json container = Base(kSidecarName, settings.sidecar_image, settings);
  container["restartPolicy"] = "Always";
  container["args"] = {"--control=" + settings.control,
                       "--transparent",
                       absl::StrCat("--state-dir=", kStateFolder),
                       absl::StrCat("--token-file=", kTokenFolder, "/token"),
                       absl::StrCat("--roots-file=", kRootsFolder, "/root-cert.pem"),
                       "--pod-uid=$(POD_UID)",
                       "--node-name=$(NODE_NAME)",
                       absl::StrCat("--health=0.0.0.0:", kHealthPort),
                       absl::StrCat("--metrics=0.0.0.0:", kMetricsPort),
                       "--log-level=" + wishes.log_level};
  if (wishes.cause_header == "enabled") container["args"].push_back("--cause-header");
  for (const std::string& label : wishes.labels) container["args"].push_back("--label=" + label);
  container["env"] = {FromPod("POD_UID", "metadata.uid"), FromPod("NODE_NAME", "spec.nodeName")};
  if (!probes.empty())
    container["env"].push_back({{"name", kProbesVariable}, {"value", probes.dump()}});
  container["ports"] = {{{"name", "tulle-metrics"}, {"containerPort", kMetricsPort}}};
  container["resources"] = Resources(wishes);
  container["securityContext"] = Unprivileged(kSidecarUid);
  // Ten minutes: its image is there, what may be missing is the control plane.
  container["startupProbe"] = HealthProbe(1, 600);
  container["readinessProbe"] = HealthProbe(10, 3);
  container["lifecycle"] = {{"preStop", {{"exec", {{"command", {"/tulle-sidecar", "--leave"}}}}}}};
  container["terminationMessagePolicy"] = "FallbackToLogsOnError";
  container["volumeMounts"] = {Mount(kTokenVolume, kTokenFolder, true),
                               Mount(kRootsVolume, kRootsFolder, true),
                               Mount(kStateVolume, kStateFolder, false)};
  return container;
}

std::vector<Json> Volumes(const Settings& settings) {
  const Json token = {
      {"serviceAccountToken",
       {{"audience", settings.audience}, {"expirationSeconds", kTokenSeconds}, {"path", "token"}}}};
  return {
      {{"name", kTokenVolume}, {"projected", {{"sources", Json::array({token})}}}},
      {{"name", kRootsVolume}, {"configMap", {{"name", settings.roots_config_map}}}},
      {{"name", kStateVolume}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", kStateSize}}}}};
}

}  // namespace tulle::inject
