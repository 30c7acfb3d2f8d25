// The CNI plugin on every node: a DaemonSet that installs it, and the one that removes it.
#include <string>

#include "k8s/install/manifests.h"
#include "k8s/install/objects.h"

namespace tulle::install {
namespace {

constexpr char kCni[] = "tulle-cni";
constexpr char kConfigurations[] = "/host/net.d";
constexpr char kPrograms[] = "/host/bin";

Json InCniNamespace(const char* version, const char* kind, Json more) {
  Json object = ClusterObject(version, kind, kCni, std::move(more));
  object["metadata"]["namespace"] = kCni;
  return object;
}

// Root of the node's files, and nothing else: no credential, no network. DAC_OVERRIDE, since some
// distributions give these folders to another user.
Json SecurityContext() {
  return {{"allowPrivilegeEscalation", false},
          {"capabilities", {{"add", {"DAC_OVERRIDE"}}, {"drop", {"ALL"}}}},
          {"readOnlyRootFilesystem", true},
          {"runAsGroup", 0},
          {"runAsUser", 0},
          {"seccompProfile", {{"type", "RuntimeDefault"}}}};
}

Json HostFolder(const char* name, const std::string& path) {
  return {{"name", name}, {"hostPath", {{"path", path}, {"type", "DirectoryOrCreate"}}}};
}

Json CniContainer(const Settings& settings, const char* mode) {
  const Json arguments = {mode, std::string("--conf-dir=") + kConfigurations,
                          std::string("--bin-dir=") + kPrograms};
  Json check = arguments;
  check.insert(check.begin(), {"/tulle-cni", "--check"});
  return {{"name", kCni},
          {"image", settings.cni_image},
          {"imagePullPolicy", settings.image_pull_policy},
          {"args", arguments},
          {"readinessProbe", {{"exec", {{"command", check}}}, {"periodSeconds", 5}}},
          {"resources", {{"requests", {{"cpu", "5m"}, {"memory", "8Mi"}}}}},
          {"securityContext", SecurityContext()},
          {"terminationMessagePolicy", "FallbackToLogsOnError"},
          {"volumeMounts",
           {{{"name", "configurations"}, {"mountPath", kConfigurations}},
            {{"name", "programs"}, {"mountPath", kPrograms}}}}};
}

Json CniDaemonSet(const Settings& settings, const char* mode) {
  const Json labels = {{"app", kCni}};
  const Json pod = {{"automountServiceAccountToken", false},
                    // Its own start must not depend on the plugins of the node.
                    {"hostNetwork", true},
                    {"nodeSelector", {{"kubernetes.io/os", "linux"}}},
                    {"priorityClassName", "system-node-critical"},
                    {"tolerations", {{{"operator", "Exists"}}}},
                    {"terminationGracePeriodSeconds", 5},
                    {"containers", {CniContainer(settings, mode)}},
                    {"volumes",
                     {HostFolder("configurations", settings.cni_conf_dir),
                      HostFolder("programs", settings.cni_bin_dir)}}};
  return InCniNamespace("apps/v1", "DaemonSet",
                        {{"spec",
                          {{"selector", {{"matchLabels", labels}}},
                           {"template", {{"metadata", {{"labels", labels}}}, {"spec", pod}}}}}});
}

// Some clusters (GKE) allow pods of this priority only where a quota names it.
Json CriticalPodsQuota() {
  const Json critical = {
      {"scopeName", "PriorityClass"}, {"operator", "In"}, {"values", {"system-node-critical"}}};
  return InCniNamespace("v1", "ResourceQuota",
                        {{"spec",
                          {{"hard", {{"pods", "10000"}}},
                           {"scopeSelector", {{"matchExpressions", Json::array({critical})}}}}}});
}

std::vector<Json> CniObjects(const Settings& settings, const char* mode) {
  // hostPath and hostNetwork are what `privileged` alone allows.
  const Json privileged = {{"pod-security.kubernetes.io/enforce", "privileged"}};
  return {ClusterObject("v1", "Namespace", kCni, {{"metadata", {{"labels", privileged}}}}),
          CriticalPodsQuota(), CniDaemonSet(settings, mode)};
}

}  // namespace

std::vector<Json> CniPlugin(const Settings& settings) { return CniObjects(settings, "--install"); }

std::vector<Json> CniRemoval(const Settings& settings) { return CniObjects(settings, "--remove"); }

}  // namespace tulle::install
